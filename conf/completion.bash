# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Completion of namegate(1) for bash: sub-commands, options, policies, tags and deployments.

# Values of a key in what the daemon says: of all, or nothing where none runs.
_namegate_values() { # KEY COMMAND...
    namegate "${@:2}" --json 2> /dev/null | grep -o "\"$1\": *\"[^\"]*\"" | sed 's/.*"\([^"]*\)"$/\1/' | sort -u
}

_namegate_policies() { # DIR
    cat "$1"/*.policy 2> /dev/null | sed -nE 's/^[[:space:]]*policy[[:space:]]+([a-z0-9_-]+).*/\1/p' | sort -u
}

_namegate_files() {
    local IFS=$'\n'

    compopt -o filenames 2> /dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_namegate() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local policies=/etc/namegate/policies command='' sub='' words='' i
    local common='--run-dir --state-dir --policies --config --pin-root --cgroup-root --resolv-conf --json --version --help'

    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i - 1]} in
            --policies) policies=${COMP_WORDS[i]}; continue ;;
            --run-dir | --state-dir | --config | --pin-root | --cgroup-root | --resolv-conf) continue ;;
            --tag | --policy | --mode | --deployment | --limit | -n | --since | --html) continue ;;
        esac
        case ${COMP_WORDS[i]} in
            -*) ;;
            *) if [ -z "$command" ]; then command=${COMP_WORDS[i]}; elif [ -z "$sub" ]; then sub=${COMP_WORDS[i]}; fi ;;
        esac
    done
    # Behind the command that is to be run its own completion is wanted.
    if [ "$command" = run ] && [ -n "$sub" ]; then
        declare -F _command_offset > /dev/null || return
        for ((i = 1; i < COMP_CWORD; i++)); do
            [ "${COMP_WORDS[i]}" = "$sub" ] && { _command_offset "$i"; return; }
        done
    fi
    case $before in
        --mode) words='audit block strict' ;;
        --against) words=last ;;
        --policy)
            words=$(_namegate_policies "$policies")
            [ -n "$current" ] && words+=" $(compgen -f -- "$current")" ;;
        --tag) words=$(_namegate_values tag list) ;;
        --deployment) words=$(_namegate_values id list) ;;
        --run-dir | --state-dir | --policies | --config | --pin-root | --cgroup-root | --resolv-conf | --html)
            _namegate_files "$current"; return ;;
        *)
            case $command in
                '') words="run attach detach status stats list events report learn replay diff-runs names incident allow doctor policy $common" ;;
                run)
                    if [ "${current#-}" != "$current" ]; then
                        words="--tag --policy --mode --confine --selftest $common"
                    else
                        mapfile -t COMPREPLY < <(compgen -c -- "$current")
                        return
                    fi ;;
                events) words="--follow --all --shadow --deployment --tag --limit $common" ;;
                report) words="--tag --deployment --last --since --markdown --html --against --fail-on-new $common" ;;
                learn) words="--tag --deployment --last --since --name --manifest $common" ;;
                replay) words="--policy --mode --tag --deployment --last --since $common" ;;
                diff-runs) words="--against --tag --fail-on-new $common" ;;
                names) words="$(_namegate_values name names) $common" ;;
                incident) words="on off status --tag --reason --for $common" ;;
                attach) words="--tag --policy --mode --cgroup --pid --unit $common" ;;
                detach) words="$(_namegate_values id list) $common" ;;
                allow) words="--tag --for --reason --end $(_namegate_values name names) $common" ;;
                policy)
                    case $sub in
                        '') words="check explain test diff fmt reload shadow $common" ;;
                        explain) words="--policy --mode --resolve $common" ;;
                        reload) words="--quiet $common" ;;
                        *)
                            if [ "${current#-}" = "$current" ]; then _namegate_files "$current"; return; fi
                            words="--strict --check --tag --off $common" ;;
                    esac ;;
                *) words=$common ;;
            esac ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _namegate namegate
