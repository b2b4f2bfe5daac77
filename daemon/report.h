/* SPDX-License-Identifier: BSD-2-Clause */
/* The command `report`: what the ledger says of deployments, to those whose they are. Each is read by a thread of its
 * own, which the loop does not wait for. */
#ifndef NAMEGATE_REPORT_H
#define NAMEGATE_REPORT_H

#include "keeper.h"

#define NG_REPORTS_MAX 4                 /* at once; more are refused */
#define NG_REPORT_MAX ((size_t)32 << 20) /* octets of an answer; what is longer is refused */

void ng_report_request(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request);

/* Waits for those that are under way, whose connections are gone. */
void ng_reports_free(struct ng_keeper *keeper);

#endif
