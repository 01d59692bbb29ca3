#!/bin/sh
# tests/cli/test_docs.sh AYF SOURCE
# Every command line of the documentation and the experiments names verbs, options, keys and files that exist.
set -u
ayf=$1 source=$2
. "$(dirname "$0")/../support/cases.sh"
: >"$work/out" && : >"$work/err"

cat >"$work/lines.py" <<'PY'
import glob, os, re, subprocess, sys

ayf, source, names = sys.argv[1], sys.argv[2], sys.argv[3:]

def told(*words):
    return subprocess.run([ayf, "help", *words], capture_output=True, text=True)

known = {}
def options(verb):
    if verb not in known:
        help = told(verb)
        known[verb] = set(re.findall(r"^ +--([a-z-]+)", help.stdout, re.M)) if help.returncode == 0 else None
    return known[verb]

general = set(re.findall(r"--([a-z-]+)", told().stdout)) | {"help"}
keys = set(re.findall(r"^  ([a-z]+\.[a-z_0-9]+) = ", told("config").stdout, re.M))
sections = "|".join(sorted({key.split(".")[0] for key in keys}))
assert "data.source" in keys, "ayf help config lists no keys"
bad, commands = [], 0
for name in names:
    text = re.sub(r"\\\n\s*", " ", open(os.path.join(source, name)).read())
    for number, line in enumerate(text.splitlines(), 1):
        if not name.endswith(".sh"):
            line = re.sub(r"\\\|", "or", line)  # of tables
        for key in re.findall(r"--set \"?([a-z_]+\.[a-z_0-9]+)=", line):
            if key not in keys | {"section.key"}: bad.append(f"{name}: there is no key {key}: {line}")
        if not name.endswith(".sh"):
            for key in re.findall(r"`((?:%s)\.[a-z_0-9]+)(?:=[^`]*)?`" % sections, line):
                if key not in keys and not re.search(r"\.(safetensors|zip|jsonl|json|png|yaml|npz|md|bin)$", key):
                    bad.append(f"{name}: there is no key {key}: {line}")
        for path in re.findall(r"\b(configs/[\w.-]+\.yaml)", line):
            if not os.path.exists(os.path.join(source, path)): bad.append(f"{name}: there is no {path}")
        for command in re.findall(r'(?:^|[\s`("])(?:build/)?"?\$?\bayf"? ([^`|;&<>)]*)', line):
            words = command.split()
            shell = re.match(r'^\s*(?:[\w.]+ )*(?:build/)?"?\$?ayf"? ', line) is not None
            if not words or not re.fullmatch(r"[a-z]+", words[0]): continue
            if options(words[0]) is None:
                # Prose ("ayf writes none") is no command.
                if any(word.startswith("--") for word in words[1:]) or f"`ayf {words[0]}" in line or (shell and name.endswith(".sh")):
                    bad.append(f"{name}: there is no verb {words[0]}: {line}")
                continue
            commands += 1
            given = re.split(r"\s#\s", command)[0]
            for option in re.findall(r"(?<!\S)--([a-z-]+)", given):
                if option not in options(words[0]) | general:
                    bad.append(f"{name}: ayf {words[0]} takes no --{option}: {line}")
print(f"{commands} commands")
print("\n".join(bad), file=sys.stderr)
sys.exit(1 if bad or commands < 1 else 0)
PY

check() { python3 "$work/lines.py" "$ayf" "$source" "$@"; }
cd "$source" || exit 1
for page in README.md docs/*.md; do
    grep -q '\bayf [a-z]' "$page" || continue
    grep -qE '(^| |`)(build/)?ayf (train|distill|finetune|sample|info|data|eval|export|golden|bench|report|doctor|demo|help)' "$page" || continue
    expect "$page" 0 check "$page"
done
for script in experiments/cifar10.sh experiments/mnist.sh experiments/paper.sh experiments/theorem31.sh experiments/killed.sh; do
    expect "$script" 0 check "$script"
done

# ---- The check finds what it is for ----
mistake() { # TEXT WORDS: a page of this text is refused with these words
    printf '%s\n' "$1" >"$work/page.md"
    expect "a page with: $1" 1 check "$work/page.md"
    says "$2"
}
mistake 'ayf sample runs/a --sedes 1' "ayf sample takes no --sedes"
mistake 'Use `ayf smaple` for that.' "there is no verb smaple"
mistake 'ayf train runs/a --set data.resolutoin=8' "there is no key data.resolutoin"
mistake 'The key `train.rate` is said.' "there is no key train.rate"
mistake 'ayf train runs/a --config configs/none.yaml' "there is no configs/none.yaml"

# ---- C ----
cat >"$work/fragment.py" <<'PY'
# The first fragment of C of README.md, or that in the first comment of ayf.h, as a program.
import re, sys
text = open(sys.argv[1]).read()
if sys.argv[1].endswith(".md"):
    code = re.search(r"```c\n(.*?)```", text, re.S)[1]
else:
    code = "".join(re.findall(r"^ \*     (.*\n)", text.split("*/")[0], re.M))
assert "ayf_open" in code and "ayf_close" in code
print("#include <stdio.h>\n#include <stdlib.h>\n#include <ayf.h>\nint main(void) {\n%s    return 0;\n}" % code)
PY
for page in README.md include/ayf.h; do
    expect "the fragment of $page" 0 python3 "$work/fragment.py" "$source/$page"
    cp "$work/out" "$work/fragment.c"
    grep -q 'if (!ctx)' "$work/fragment.c" || bad "ayf_open() is not checked"
    expect "compiles without a warning" 0 ${CC:-cc} -std=c11 -O2 -Wall -Wextra -Wconversion -Wshadow -Werror \
        -I"$source/include" -c "$work/fragment.c" -o "$work/fragment.o"
done

finish
