// SPDX-License-Identifier: BSD-2-Clause
#include "expect.h"

#include "link.h"
#include "target.h"

#include <namegate/cleanup.h>

#include <netinet/in.h>

static const char *const verdicts[] = {"none", "allowed", "denied"};

/* Whether all that the probe leaves open has the verdict; if not, why. Ports that the gate itself decides count only
 * when the probe names them. */
static int judge(struct ng_case *it, const struct ng_probe *probe, struct ng_expectation *expectation, char *trouble,
                 size_t size)
{
    ng_spans spans = {0};
    int r = ng_case_spans(it, &spans);

    expectation->met = true;
    for (size_t i = 0; r == 0 && expectation->met && i < spans.count; i++) {
        const struct ng_span *span = &spans.items[i];
        struct ng_span open = {.proto = probe->proto ? 0 : span->proto, .high = 65535}; /* what the probe leaves so */
        uint16_t port = probe->port_given ? probe->port : span->low;
        struct ng_opinion opinion;
        char ports[NG_SPAN_TEXT_MAX];

        if ((probe->proto && span->proto && probe->proto != span->proto) || port < span->low || port > span->high)
            continue;
        ng_case_judge(it, probe->proto ? probe->proto : span->proto ? span->proto : IPPROTO_TCP, port, &opinion);
        if (opinion.verdict == expectation->expected || (opinion.own && !probe->port_given))
            continue;
        expectation->met = false;
        if (!probe->port_given)
            open = (struct ng_span){open.proto, span->low, span->high, 0};
        (void)ng_span_text(&open, ports);
        (void)snprintf(trouble, size, "it is %s%s%s", verdicts[opinion.verdict], *ports ? " on" : "", ports);
        if (opinion.dns)
            (void)snprintf(trouble + strlen(trouble), size - strlen(trouble), ": DNS goes to the gate's resolver");
        else if (opinion.has_rule)
            (void)snprintf(trouble + strlen(trouble), size - strlen(trouble), ", by %s:%u", opinion.rule.file,
                           opinion.rule.line);
        else
            (void)snprintf(trouble + strlen(trouble), size - strlen(trouble), ", by no rule");
    }
    ng_vector_free(&spans);
    return r;
}

static int expect(const struct ng_ast *ast, const struct ng_snapshot *snapshot, const char *policy,
                  const struct ng_ast_expect *it, ng_expectation_fn each, void *arg)
{
    _cleanup_free_ char *destination = strndup(ast->text + it->offset, it->length), *error = NULL, *remedy = NULL;
    _cleanup_free_ struct ng_case *judged = malloc(sizeof(*judged));
    struct ng_expectation expectation = {.policy = policy,
                                         .file = ast->path,
                                         .line = it->place.line,
                                         .destination = destination,
                                         .expected = it->verdict,
                                         .trouble = ""};
    int number = ng_snapshot_find(snapshot, policy);
    struct ng_probe probe;
    char trouble[600] = "";
    int r = 0;

    if (!destination || !judged)
        return -ENOMEM;
    if (number < 0) {
        (void)snprintf(trouble, sizeof(trouble), "there is no policy '%s'", policy);
    } else if (ng_probe_parse(ast->text + it->offset, it->length, &probe, &error, &remedy) < 0) {
        (void)snprintf(trouble, sizeof(trouble), "%s", error ? error : "out of memory");
    } else {
        ng_case_make(snapshot, (unsigned)number, &probe, judged);
        r = judge(judged, &probe, &expectation, trouble, sizeof(trouble));
    }
    expectation.trouble = trouble;
    return r < 0 ? r : each(arg, &expectation);
}

int ng_expect(const struct ng_set *set, const struct ng_snapshot *snapshot, ng_expectation_fn each, void *arg)
{
    int r = 0;

    for (size_t f = 0; f < set->files.list.count; f++) {
        const struct ng_ast *ast = &set->files.list.items[f]->ast;

        for (size_t t = 0; !ast->quiet && t < ast->tests.count; t++)
            for (uint32_t i = ast->tests.items[t].expects.first; r == 0 && i < ast->tests.items[t].expects.end; i++)
                r = expect(ast, snapshot, ng_ast_string(ast, ast->tests.items[t].policy), &ast->expects.items[i],
                           each, arg);
    }
    return r;
}
