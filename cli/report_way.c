// SPDX-License-Identifier: BSD-2-Clause
/* The commands that led to something. */
#include "report.h"

#include "client.h"
#include "table.h"

#include <string.h>

static void put_word(FILE *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+,-";

    if (*word && word[strspn(word, plain)] == '\0') {
        (void)fputs(word, out);
        return;
    }
    (void)fputc('\'', out);
    for (; *word; word++)
        (void)(*word == '\'' ? fputs("'\\''", out) : fputc(*word, out));
    (void)fputc('\'', out);
}

char *ng_report_cut(const char *text, size_t max)
{
    size_t characters = 0;
    char *cut = NULL;

    for (const char *at = text; *at; at++) {
        bool begins = ((unsigned char)*at & 0xc0) != 0x80;

        if (begins && max > 3 && characters == max - 3 && strlen(at) > 3)
            return asprintf(&cut, "%.*s...", (int)(at - text), text) < 0 ? NULL : cut;
        characters += begins;
    }
    return strdup(text);
}

char *ng_report_command(const json_t *argv, size_t max)
{
    _cleanup_free_ char *text = NULL;
    _cleanup_free_ char *escaped = NULL;
    size_t size = 0, i;
    FILE *out = open_memstream(&text, &size);
    const json_t *word;

    if (!out)
        return NULL;
    json_array_foreach(argv, i, word)
    {
        (void)fputs(i ? " " : "", out);
        put_word(out, json_is_string(word) ? json_string_value(word) : "?");
    }
    if (fclose(out) != 0)
        return NULL;
    escaped = ng_cli_escape(text);
    return escaped ? ng_report_cut(escaped, max) : NULL;
}

int ng_report_settle(struct ng_report *report)
{
    const json_t *processes = json_object_get(report->document, "processes"), *process;
    size_t i;

    /* Where some are not on record, nobody can say what none of them is. */
    if (json_array_size(processes) == 0 || ng_cli_integer(report->document, "left_out"))
        return 0;
    report->settled = calloc(NG_LEDGER_LINEAGES_MAX + 1, sizeof(bool));
    if (!report->settled)
        return -ENOMEM;
    json_array_foreach(processes, i, process)
    {
        json_int_t lineage = ng_cli_integer(process, "lineage");

        if (lineage > 0 && lineage <= NG_LEDGER_LINEAGES_MAX)
            report->settled[lineage] = true;
    }
    return 0;
}

static bool passing(const struct ng_report *report, const json_t *row)
{
    json_int_t number = ng_cli_integer(row, "number");

    return report->settled && number > 0 && number <= NG_LEDGER_LINEAGES_MAX && !report->settled[number];
}

static void find_culprit(const struct ng_report *report, const struct ng_report_finding *finding,
                         struct ng_report_trace *trace)
{
    unsigned script = ng_ledger_script(report->document, trace->row, trace->count);
    unsigned last = script < trace->count ? script : trace->count - 1;

    for (unsigned i = 0; i <= last; i++) { /* the script itself comes last: all of it is too much to change */
        const json_t *row = trace->row[last - i];

        if (!ng_ledger_names(row, finding->flow))
            continue;
        trace->named = true;
        trace->culprit = row;
        return;
    }
    trace->culprit = trace->row[last];
}

void ng_report_trace(const struct ng_report *report, const struct ng_report_finding *finding,
                     const struct ng_report_way *way, struct ng_report_trace *ret_trace)
{
    struct ng_report_trace trace = {0};
    unsigned all = ng_ledger_way(json_object_get(report->document, "lineage"), way->lineage, trace.row);

    trace.count = all;
    if (all)
        find_culprit(report, finding, &trace);
    trace.count = 0;
    for (unsigned i = 0; i < all; i++)
        if (i == 0 || i + 1 == all || trace.row[i] == trace.culprit || !passing(report, trace.row[i]))
            trace.row[trace.count++] = trace.row[i];
    *ret_trace = trace;
}
