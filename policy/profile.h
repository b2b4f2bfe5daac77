/* SPDX-License-Identifier: BSD-2-Clause */
/* Profiles in the making: segments in the order of their precedence, without those that can never decide. */
#ifndef NAMEGATE_PROFILE_H
#define NAMEGATE_PROFILE_H

#include <namegate/abi.h>

#include <stdbool.h>
#include <stdint.h>

/* Adds a segment after those that are there. Returns 1 when it was added, 0 when an earlier one always decides before
 * it, -E2BIG when there are NG_SEGMENTS_MAX. */
int ng_profile_add(struct ng_profile *profile, const struct ng_segment *segment);

/* Hash of the content; NG_PROFILE_NONE, _DENY and _ALLOW for what they stand for, and never one of these else. */
uint64_t ng_profile_id(const struct ng_profile *profile);

/* Whether some port and protocol gets that verdict. */
bool ng_profile_has(const struct ng_profile *profile, uint8_t verdict);

#endif
