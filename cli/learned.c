// SPDX-License-Identifier: BSD-2-Clause
#include "learned.h"

#include "client.h"
#include "recorded.h"

#include "../policy/compile.h"
#include "../policy/target.h"

#include <arpa/inet.h>
#include <string.h>

/* Judges what needs no rule, and what none can allow. */
static int open_bare(struct ng_snapshot **ret_snapshot)
{
    static const char text[] = "policy bare { mode strict }";
    const struct ng_source source = {.path = "", .text = text, .length = sizeof(text) - 1};
    struct ng_diag *diag = ng_diag_new();
    _cleanup_fd_ int fd = -1;
    int r = diag ? ng_policy_compile(&source, 1, diag, &fd) : -ENOMEM;

    ng_diag_free(diag);
    return r < 0 ? r : ng_snapshot_open(fd, ret_snapshot);
}

int ng_learned_new(struct ng_learned **ret_learned)
{
    struct ng_learned *learned = calloc(1, sizeof(*learned));
    int r;

    if (!learned)
        return -ENOMEM;
    learned->tags = json_object();
    r = learned->tags ? ng_dependencies_init(&learned->needed) : -ENOMEM;
    if (r == 0)
        r = ng_dependencies_init(&learned->refused);
    if (r == 0)
        r = ng_dependencies_init(&learned->barred);
    if (r == 0)
        r = open_bare(&learned->bare);
    if (r < 0) {
        ng_learned_free(learned);
        return r;
    }
    *ret_learned = learned;
    return 0;
}

void ng_learned_free(struct ng_learned *learned)
{
    if (!learned)
        return;
    ng_dependencies_release(&learned->needed);
    ng_dependencies_release(&learned->refused);
    ng_dependencies_release(&learned->barred);
    ng_snapshot_free(learned->bare);
    json_decref(learned->tags);
    free(learned->first);
    free(learned->last);
    free(learned);
}

/* The name by which the deployment knew the address: where names share it, the one to blame may be another, or one that
 * only others asked for. NULL: none; who resolves an address as if it were a name means the address. */
static const char *known_name(const struct ng_recorded *recorded, const json_t *flow)
{
    const char *name = json_string_value(json_object_get(flow, "name")), *address = ng_cli_string(flow, "address");
    const char *evidence = ng_cli_string(flow, "evidence");
    uint8_t octets[16];
    const json_t *other;
    size_t i;

    if (!name || inet_pton(AF_INET, name, octets) == 1 || inet_pton(AF_INET6, name, octets) == 1)
        return NULL;
    if (ng_recorded_told(recorded, name, address))
        return name;
    json_array_foreach(json_object_get(flow, "names"), i, other)
        if (json_is_string(other) && ng_recorded_told(recorded, json_string_value(other), address))
            return json_string_value(other);
    return strcmp(evidence, "prewarmed") == 0 || strcmp(evidence, "shared") == 0 || strcmp(evidence, "strict") == 0
               ? NULL
               : name;
}

/* Whether the language has that name. A name without a dot is one of a search list, or of the hosts file: nobody can
 * tell whose. */
static bool is_fit(const char *text, struct ng_name *ret_name)
{
    _cleanup_free_ struct ng_target *target = malloc(sizeof(*target));
    _cleanup_free_ char *error = NULL, *remedy = NULL;

    if (!target || !strchr(text, '.') || ng_target_parse(text, strlen(text), target, &error, &remedy) < 0 ||
        target->kind != NG_TARGET_EXACT)
        return false;
    *ret_name = target->name;
    return true;
}

static int add_to(struct ng_dependencies *dependencies, const char *name, const json_t *flow)
{
    struct ng_name parsed = {0};
    bool fit = name && is_fit(name, &parsed);
    char text[NG_NAME_TEXT_MAX];
    struct ng_dependency *dependency = ng_dependencies_get(
        dependencies, fit ? ng_name_to_text(&parsed, text) : name ? name : ng_cli_string(flow, "address"));
    int r;

    if (!dependency)
        return -ENOMEM;
    dependency->named = name != NULL;
    dependency->unfit = name && !fit;
    dependency->name = parsed;
    r = ng_dependency_add(dependency, flow);
    return r == -EBADMSG ? 0 : r;
}

static int add_flow(struct ng_learned *learned, const struct ng_recorded *recorded, const json_t *flow,
                    struct ng_case *judged)
{
    const char *name = known_name(recorded, flow);
    struct ng_opinion opinion;

    if (ng_recorded_is_look_up(flow))
        return strcmp(ng_cli_string(flow, "verdict"), "deny") == 0 ? add_to(&learned->refused, name, flow) : 0;
    if (!ng_recorded_counts(flow) || ng_recorded_case(recorded, flow, learned->bare, 0, judged) < 0 ||
        ng_recorded_judge(judged, flow, &opinion) < 0)
        return 0;
    if (strcmp(ng_cli_string(flow, "verdict"), "deny") == 0)
        return add_to(&learned->refused, name, flow);
    if (opinion.verdict == NG_VERDICT_ALLOW)
        return 0;
    return add_to(judged->raw || judged->bypassing ? &learned->barred : &learned->needed, name, flow);
}

int ng_learned_add(struct ng_learned *learned, const json_t *deployment)
{
    _cleanup_free_ struct ng_case *judged = malloc(sizeof(*judged));
    const char *started = ng_cli_string(deployment, "started");
    struct ng_recorded *recorded = NULL;
    const json_t *flow;
    size_t i;
    int r = judged ? ng_recorded_new(deployment, &recorded) : -ENOMEM;

    if (r == 0)
        r = ng_count_key(learned->tags, ng_cli_string(deployment, "tag"), 1);
    if (r == 0)
        r = ng_span_times(&learned->first, &learned->last, started, started);
    json_array_foreach(json_object_get(deployment, "flows"), i, flow)
        if (r == 0)
            r = add_flow(learned, recorded, flow, judged);
    learned->deployments++;
    ng_recorded_free(recorded);
    return r;
}
