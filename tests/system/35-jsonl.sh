#!/bin/sh
# SPDX-License-Identifier: MIT
# messages.jsonl: the same log as messages, as objects; appending sends.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
cd "$M/dev" || exit 1
ok "users" ctl user add ann ben
ok "members" sh -c 'printf "ann\nben\n" >> members'
objects() {
	jq -c '[.sequence_number, .sender, .content, .message_type]' messages.jsonl
}
last() {
	tail -n 1 messages.jsonl | jq -rc "$1"
}

ok "echo in messages" sh -c 'echo plain >> messages'
is "is an object" "$(objects)" "[1,\"$ME\",\"plain\",\"text\"]"
is "of the same time" "$(last .timestamp)" "$(cut -f2 messages)"
ok "an object sends" sh -c \
	"printf '%s\n' '{\"content\":\"two\\nlines\\t!\"}' >> messages.jsonl"
is "its content is kept" "$(last .content)" "two
lines	!"
is "and shown on one line of messages" "$(tail -n 1 messages | cut -f4)" \
	'two\nlines\t!'
ok "a reply with a mention and a client_id" sh -c \
	'printf "%s\n" "{\"content\":\"hi\",\"reply_to_seq\":1,\"mentions\":[\"ann\"],\"client_id\":\"k1\"}" >> messages.jsonl'
is "is all there" "$(last '[.reply_to_seq, .mentions, .client_id]')" \
	'[1,["ann"],"k1"]'
is "messages shows the reply" "$(tail -n 1 messages | cut -f4)" '>1 hi'
ok "the same client_id again" sh -c \
	'printf "%s\n" "{\"content\":\"hi\",\"client_id\":\"k1\"}" >> messages.jsonl'
is "stores nothing new" "$(wc -l <messages.jsonl)" 3
ok "a media message" sh -c \
	'printf "%s\n" "{\"message_type\":\"media\",\"media_url\":\"https://x/y.png\"}" >> messages.jsonl'
is "is one" "$(last .media_url)" https://x/y.png
is "in messages, too" "$(tail -n 1 messages | cut -f4)" '[media https://x/y.png] '
ok "what has no newline is sent at the close" sh -c \
	'printf "%s" "{\"content\":\"at close\"}" >> messages.jsonl'
is "as the last one" "$(last .content)" "at close"
ok "blank lines say nothing" sh -c 'printf "\n  \n\n" >> messages.jsonl'
is "five messages" "$(wc -l <messages.jsonl)" 5
fails "one bad line" sh -c \
	'printf "%s\n" "{\"content\":\"good\"}" "{\"content\":}" | tee -a messages.jsonl'
like "is named" "$(cat "$M/.me/error")" 'messages.jsonl of dev: line 2: .*JSON'
is "and nothing of that write is stored" "$(wc -l <messages)" 5
fails "> is refused" sh -c 'echo "{}" > messages.jsonl'
fails "so is rm" rm -f messages.jsonl

# A thousand lines of all kinds: each byte is where it is said to be.
$PY - "$T/odd" <<'END'
import json, random, sys
random.seed(7)
kinds = ["a", "é", "\u2028", "\x1b[31m", "\t", "\n", "\\", '"', "\x00", "\x7f",
         "😀", "[media x] ", ">1 ", " ", "@ann ", "\u202e"]
with open(sys.argv[1], "w") as f:
    for i in range(1000):
        text = "".join(random.choice(kinds) for _ in range(random.randrange(40)))
        f.write(json.dumps({"content": text}, ensure_ascii=i % 2 == 0) + "\n")
END
ok "a thousand odd ones at once" sh -c "cat '$T/odd' >> messages.jsonl"
is "are there" "$(wc -l <messages.jsonl)" 1005
is "with the size that stat says" "$(stat -c %s messages.jsonl)" \
	"$(cat messages.jsonl | wc -c)"
ok "and come back as they were, as objects and as lines" $PY -c '
import json, re, sys
sent = [json.loads(l)["content"] for l in open(sys.argv[1])]
got = [json.loads(l) for l in open("messages.jsonl", newline="\n")][5:]
assert [g["content"] for g in got] == sent
lines = open("messages", "rb").read().split(b"\n")[5:-1]
def plain(text):
    return re.sub(rb"\\(x..|.)", lambda m: {b"n": b"\n", b"t": b"\t", b"r": b"\r",
        b"\\": b"\\"}.get(m[1]) or bytes([int(m[1][1:], 16)]), text)
def content(text):
    m = re.match(rb">\d+ ", text)
    return plain(text)
for g, l in zip(got, lines):
    f = l.split(b"\t")
    assert int(f[0]) == g["sequence_number"] and f[1].decode() == g["timestamp"]
    text = plain(f[3])
    if "reply_to_seq" in g:
        text = re.sub(rb"^>\d+ ", b"", text)
    assert text.decode() == g["content"], (f, g)
' "$T/odd"
cat messages.jsonl >"$T/whole"
ok "a read at any offset gives those bytes" $PY -c '
import os, random, sys
whole = open(sys.argv[1], "rb").read()
fd = os.open("messages.jsonl", os.O_RDONLY)
random.seed(3)
for _ in range(500):
    at = random.randrange(len(whole) + 10)
    n = random.choice([1, 7, 100, 4096, 70000])
    assert os.pread(fd, n, at) == whole[at:at + n], (at, n)
' "$T/whole"
tail -n +1 -s 0.1 -f messages.jsonl >"$T/follow" 2>&1 &
ours $!
ok "tail -f has all" wait_for 10 lines_at_least "$T/follow" 1005
echo 'one more' >>messages
ok "and follows" wait_for 10 lines_at_least "$T/follow" 1006
is "the last is that" "$(tail -n 1 "$T/follow" | jq -r .content)" "one more"
ok "copying a log into another group" sh -c \
	"mkdir '$M/copy' && head -n 2 messages.jsonl >> '$M/copy/messages.jsonl'"
is "sends its messages" "$(cut -f4 "$M/copy/messages" | head -n 1)" plain
kill9_groupd
start_groupd
ok "and is the same after a restart" cmp -n "$(stat -c %s "$T/whole")" \
	"$T/whole" messages.jsonl
ok "verify finds nothing wrong" ctl verify
cd /
done_testing
