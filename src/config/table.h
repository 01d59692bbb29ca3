/* Between config.c and config_yaml.c: the table of keys and how one key is set from text. */
#ifndef AYF_CONFIG_TABLE_H
#define AYF_CONFIG_TABLE_H

#include "config/config.h"

/* The row of "section.key", or -1 with a message that names `where` ("file:line" or "--set ...") and the
 * nearest valid name. */
int ayf_config_find(ayf_context *ctx, const char *where, const char *section, const char *key);

/* AYF_OK when there is such a section; else a message with the nearest one. */
ayf_status ayf_config_find_section(ayf_context *ctx, const char *where, const char *section);

int ayf_config_rows(void);
bool ayf_config_is_list(int row);
bool ayf_config_is_string(int row);
const char *ayf_config_path(int row); /* "section.key" */

/* Sets a key that is no list. */
ayf_status ayf_config_set_scalar(ayf_context *ctx, const char *where, ayf_config *cfg, int row,
                                 const char *text);

/* Element `index` of a list key; the first element (index 0) empties the list before. */
ayf_status ayf_config_set_element(ayf_context *ctx, const char *where, ayf_config *cfg, int row, int index,
                                  const char *text);
void ayf_config_clear_list(ayf_config *cfg, int row);

#endif
