# shellcheck shell=sh disable=SC2154  # of the scripts beside it that read this: ayf (the program), folder, every_run
# stage NAME VERB OPTIONS ...: the run $folder/NAME with $every_run (options without spaces), which is made once
stage() {
    name=$1 verb=$2
    shift 2
    # shellcheck disable=SC2086
    [ -f "$folder/$name.done" ] || {
        "$ayf" "$verb" "$folder/$name" "$@" $every_run >&2 || {
            echo "${0##*/}: no run $name" >&2
            exit 1
        }
        touch "$folder/$name.done"
    }
}
