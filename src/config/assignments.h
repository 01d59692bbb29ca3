/* What files and settings say, in the order in which they say it, before any of it is applied:
 *
 *   ayf_assignments *list;
 *   AYF_TRY(ayf_assignments_new(ctx, &list));
 *   status = ayf_assignments_add_file(list, "run.yaml");
 *   status = ayf_assignments_add_setting(list, "train.lr=0.01");     // overrides the file
 *   if (ayf_assignments_last(list, "train.lr")) ...                  // a file or a setting gives it
 *   status = ayf_config_apply(ctx, &cfg, list);
 *   ayf_assignments_free(list);
 *
 * Every value is checked when it is added. Failures are AYF_E_CONFIG with "<file>:<line>: ..." or
 * "<setting>: ..." and the nearest valid name. After a failure the list holds what came before the bad value.
 */
#ifndef AYF_CONFIG_ASSIGNMENTS_H
#define AYF_CONFIG_ASSIGNMENTS_H

#include "config/config.h"

typedef struct ayf_assignments ayf_assignments;

ayf_status ayf_assignments_new(ayf_context *ctx, ayf_assignments **list); /* owned by the caller */
void ayf_assignments_free(ayf_assignments *list);                         /* NULL is fine */

enum { AYF_CONFIG_MOST = 1 << 20 }; /* bytes of a configuration file */

/* The keys of a YAML file of at most AYF_CONFIG_MOST bytes: a map of sections, each a map of keys; lists in either
 * style. A byte-order mark tells UTF-16 from UTF-8. A key given twice, anchors, aliases, tags, more than one
 * document, and numbers with a leading zero, which YAML 1.1 counts in eights, are errors. */
ayf_status ayf_assignments_add_file(ayf_assignments *list, const char *path);

/* The same from memory; `name` stands for the path in messages. */
ayf_status ayf_assignments_add_text(ayf_assignments *list, const char *name, const char *text, size_t size);

/* One key from "section.key=value"; a list is "a,b,c" or "[a, b, c]". */
ayf_status ayf_assignments_add_setting(ayf_assignments *list, const char *setting);

/* Who gave a key its last value. TEXT: ayf_assignments_add_text(), what a program wrote. */
typedef enum ayf_giver {
    AYF_GIVEN_NOT,
    AYF_GIVEN_BY_TEXT,
    AYF_GIVEN_BY_FILE,
    AYF_GIVEN_BY_SETTING
} ayf_giver;
ayf_giver ayf_assignments_giver(const ayf_assignments *list, const char *key);

/* The text of the last value given to "section.key", or NULL when there is none. Valid until the list
 * changes. */
const char *ayf_assignments_last(const ayf_assignments *list, const char *key);

/* The "section.key" that was given a value last, however it was spelled; NULL when the list is empty. */
const char *ayf_assignments_last_key(const ayf_assignments *list);

/* Sets the keys of the list in its order; other keys stay as they are. Fails only when there is no memory. */
ayf_status ayf_config_apply(ayf_context *ctx, ayf_config *cfg, const ayf_assignments *list);

#endif
