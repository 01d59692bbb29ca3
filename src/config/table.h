/* The table of keys, row by row, and between the files of this room how a value enters a list. */
#ifndef AYF_CONFIG_TABLE_H
#define AYF_CONFIG_TABLE_H

#include "config/assignments.h"
#include "config/config.h"

/* The row of "section.key", or -1 with a message that names `where` ("file:line" or a setting) and the
 * nearest valid name. */
int ayf_config_find(ayf_context *ctx, const char *where, const char *section, const char *key);

/* AYF_OK when there is such a section; else a message with the nearest one. */
ayf_status ayf_config_find_section(ayf_context *ctx, const char *where, const char *section);

/* "section.key" of a key that has this name in whatever section, or in other programs; NULL: there is none. */
const char *ayf_config_find_elsewhere(const char *key);

int ayf_config_rows(void);
const ayf_field_row *ayf_config_row(int row); /* of ayf_config; its name is "section.key" */

const char *ayf_config_about(const ayf_field_row *row); /* what the section of the row is for */

int ayf_config_row_named(const char *path); /* of "section.key", which there is */

/* What a run did that was begun before there was this key, as ayf_config_text() writes it; NULL: the key was
 * there from the first. */
const char *ayf_config_older(int row);

/* What a key needs of others to have an effect. */
typedef struct ayf_config_need {
    int row;          /* of the key that decides */
    char values[120]; /* a clause: "train.ema = power", "eval.every above 0", "networks of images" */
    bool switched;    /* the other key turns it off, being 0 */
} ayf_config_need;

/* Whether the row has no effect beside the other keys of `cfg`; if so, what it needs. */
bool ayf_config_lacks(const ayf_config *cfg, int row, ayf_config_need *need);

/* What the row says in `cfg`, as ayf_config_text() writes it. NULL on failure; owned by the caller. */
char *ayf_config_value(ayf_context *ctx, const ayf_config *cfg, int row);

/* Checks a value and appends it. */
ayf_status ayf_assignments_add(ayf_assignments *list, ayf_giver giver, const char *where, int row,
                               const char *text);
ayf_context *ayf_assignments_context(const ayf_assignments *list);

#endif
