/* Between the files of this room: the table of keys, how one key is set from text, and how it enters a list. */
#ifndef AYF_CONFIG_TABLE_H
#define AYF_CONFIG_TABLE_H

#include "config/assignments.h"
#include "config/config.h"

/* The row of "section.key", or -1 with a message that names `where` ("file:line" or a setting) and the
 * nearest valid name. */
int ayf_config_find(ayf_context *ctx, const char *where, const char *section, const char *key);

/* AYF_OK when there is such a section; else a message with the nearest one. */
ayf_status ayf_config_find_section(ayf_context *ctx, const char *where, const char *section);

/* "section.key" of a key of this name in whatever section, or NULL. */
const char *ayf_config_find_elsewhere(const char *name);

int ayf_config_rows(void);
bool ayf_config_is_list(int row);
bool ayf_config_is_string(int row);
const char *ayf_config_path(int row); /* "section.key" */

/* Sets a key; a list is "a,b,c" or "[a, b, c]". After a failure the key is as it was. */
ayf_status ayf_config_set_text(ayf_context *ctx, const char *where, ayf_config *cfg, int row,
                               const char *text);

/* Element `index` of a list key; the first element (index 0) empties the list before. */
ayf_status ayf_config_set_element(ayf_context *ctx, const char *where, ayf_config *cfg, int row, int index,
                                  const char *text);

/* Checks a value and appends it. */
ayf_status ayf_assignments_add(ayf_assignments *list, const char *where, int row, const char *text);

/* Checks an element of a list; elements come in order. */
ayf_status ayf_assignments_check_element(ayf_assignments *list, const char *where, int row, int index,
                                         const char *text);
ayf_context *ayf_assignments_context(const ayf_assignments *list);

#endif
