/* What the folders of an archive mean: classes, parts of a split, or mere storage. A folder around everything
 * else means nothing. */
#ifndef AYF_FOLDERS_H
#define AYF_FOLDERS_H

#include "data/archive.h"

/* Pictures that lie in folders called train, valid, test or the like (train/cat/1.png) are the parts of a
 * split, of which one is a data set: leaves the first of training, validation and test part in the entries
 * and says so in the archive's note. Other archives stay as they are. */
ayf_status ayf_folders_take_split(ayf_archive *archive);

enum { AYF_FOLDERS_REASON = 256 };

/* One class per folder, in the bytewise order of their names, as torchvision's ImageFolder has them:
 * labels[archive->count] and *classes (empty before, owned by the caller). A folder without pictures is a
 * class, too, unless it is called as a part of a split or as storage is. *reason is "" then. Otherwise it
 * says why the folders are no classes: parts of a split; storage, when every folder is called by at least 5
 * digits, all the same number of them (00000, 001000); pictures that lie in no folder. The entries are
 * sorted. */
ayf_status ayf_folders_classes(ayf_archive *archive, int *labels, ayf_classes *classes,
                               char reason[AYF_FOLDERS_REASON]);

/* Whether a picture lies in the folder that `file` lies in, or below it. */
bool ayf_folders_holds(const ayf_archive *archive, const char *file);

#endif
