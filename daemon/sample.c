// SPDX-License-Identifier: BSD-2-Clause
#include "sample.h"

#include "keeper.h"

static void sample_kernel(struct ng_keeper *keeper)
{
    static const unsigned outcomes[NG_TALLY_VERDICTS] = {NG_OUTCOME_DENY, NG_OUTCOME_WOULD};

    for (unsigned hook = 0; hook < NG_HOOK_CUT; hook++) /* that and more is counted here, as it happens */
        for (unsigned verdict = 0; verdict < NG_TALLY_VERDICTS; verdict++)
            ng_tally_hook(keeper->tally, hook, verdict,
                          ng_gate_counter(keeper->gate, NG_COUNTER(hook, outcomes[verdict])));
    ng_tally_set(keeper->tally, NG_TALLY_LOST_EVENTS,
                 ng_gate_counter(keeper->gate, NG_COUNTER_LOST) + ng_records_lost(keeper->records));
    ng_tally_set(keeper->tally, NG_TALLY_LOST_DEEDS, ng_gate_counter(keeper->gate, NG_COUNTER_LOST_DEEDS));
    ng_tally_gauge(keeper->tally, NG_TALLY_DESTINATIONS_MAX, ng_gate_destinations_max(keeper->gate));
}

static void sample_ledger(struct ng_keeper *keeper)
{
    struct ng_ledger_state state = {0};

    if (keeper->ledger)
        ng_ledger_state(keeper->ledger, &state);
    ng_tally_set(keeper->tally, NG_TALLY_LEDGER_LOST, state.lost);
    ng_tally_gauge(keeper->tally, NG_TALLY_LEDGER_WAITING, state.waiting);
    ng_tally_gauge(keeper->tally, NG_TALLY_LEDGER_TROUBLE, state.trouble != NULL);
}

void ng_sample_tick(struct ng_keeper *keeper)
{
    struct ng_tally *tally = keeper->tally;

    sample_kernel(keeper);
    sample_ledger(keeper);
    ng_tally_set(tally, NG_TALLY_RESTARTS, keeper->restarts);
    ng_tally_set(tally, NG_TALLY_LOST_MESSAGES, keeper->lost_messages);
    ng_tally_gauge(tally, NG_TALLY_RESOLVER_RUNS, keeper->child_ready);
    ng_tally_gauge(tally, NG_TALLY_INCIDENT, keeper->state.incident != 0);
    ng_tally_gauge(tally, NG_TALLY_INCIDENTS, ng_incidents_tags(keeper->incidents));
    ng_tally_gauge(tally, NG_TALLY_GRANTS, ng_grants_count(keeper->grants));
    ng_tally_gauge(tally, NG_TALLY_ESCALATED, keeper->state.escalated != 0);
    ng_tally_written(tally);
}
