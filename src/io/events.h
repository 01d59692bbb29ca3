/* TensorBoard's event files: records of protocol buffers, appended. What is written are the messages Event,
 * SessionLog and Summary of tensorflow/core/util/event.proto and framework/summary.proto, as far as scalars
 * and images need them.
 *
 *   ayf_events *events;
 *   AYF_TRY(ayf_events_open(ctx, "runs/a", 101, &events));    // goes on after step 100
 *   ayf_events_scalar(events, "loss", 0.5);
 *   AYF_TRY(ayf_events_end(events, 110));
 *   ayf_events_close(events);
 *
 * A record is its length (8 bytes), the masked CRC-32C of that, the message, and the masked CRC-32C of the
 * message, little-endian. */
#ifndef AYF_IO_EVENTS_H
#define AYF_IO_EVENTS_H

#include "base/base.h"

/* File names begin like this; seconds since 1970, the host and the process follow. */
#define AYF_EVENTS_PREFIX "events.out.tfevents."

typedef struct ayf_events ayf_events;

/* Begins a new file in `folder`, whose name sorts behind those of the files that are there: readers go through
 * them in that order. With purge_step >= 0 readers forget what the earlier ones say of that step and of later
 * ones. */
ayf_status ayf_events_open(ayf_context *ctx, const char *folder, int64_t purge_step, ayf_events **out);

/* What the next event says. A value that is not finite is left out. `png` is a whole PNG file. Failures stick
 * until ayf_events_end(). */
void ayf_events_scalar(ayf_events *events, const char *tag, double value);
void ayf_events_image(ayf_events *events, const char *tag, const void *png, size_t size, int height,
                      int width, int channels);

/* Ends the event, now, and hands it to the system in one write; an event that says nothing is not written. */
ayf_status ayf_events_end(ayf_events *events, int64_t step);

/* Readers forget what was said of `step` and of later ones. */
ayf_status ayf_events_purge(ayf_events *events, int64_t step);

void ayf_events_close(ayf_events *events); /* NULL is fine; an unended event is dropped */

#endif
