#!/bin/sh
# SPDX-License-Identifier: MIT
# nginx in front of groupd as the example sets it up: REST, streams, WebSockets,
# uploads, addresses. The dashboard and the rules ask for figures that there
# are.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/examples.sh
. "$HERE/examples.sh"

# nginx as a process of this test: the example's file, with our ports, paths
# and a limit that is easier to reach.
port=$(free_port)
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout "$T/key.pem" \
	-out "$T/cert.pem" -subj /CN=chat.example.org \
	-addext subjectAltName=DNS:chat.example.org >"$T/openssl.log" 2>&1
sed "s|127.0.0.1:7480|$LISTEN|; s|listen 443|listen 127.0.0.1:$port|
	s|/etc/letsencrypt/live/chat.example.org/fullchain.pem|$T/cert.pem|
	s|/etc/letsencrypt/live/chat.example.org/privkey.pem|$T/key.pem|
	s|/var/log/nginx/|$T/front-|
	s|limit_conn groupd_address 100|limit_conn groupd_address 5|
	s|client_max_body_size 100m|client_max_body_size 4m|" \
	"$EX/nginx/groupfs.conf" >"$T/site.conf"
is "each place of the example is ours" "$(grep -vE '^\s*#' "$T/site.conf" |
	grep -cE '7480|/etc/|/var/log|listen 443')" 0
cat >"$T/nginx.conf" <<END
pid $T/nginx.pid;
error_log $T/nginx.log warn;
worker_processes 1;
events { worker_connections 256; }
http {
	client_body_temp_path $T/ng-body;
	proxy_temp_path $T/ng-proxy;
	fastcgi_temp_path $T/ng-f;
	uwsgi_temp_path $T/ng-u;
	scgi_temp_path $T/ng-s;
	include $T/site.conf;
}
END
ok "nginx takes it" nginx -t -c "$T/nginx.conf"
fails "and warns of nothing" grep -E 'warn|emerg' "$T/ok.out"
nginx -c "$T/nginx.conf" -g 'daemon off;' >"$T/nginx.out" 2>&1 &
ours $!
front=https://chat.example.org:$port
export front port
# by_curl HOW ARGUMENT...: HOW is `command`, or in the background `exec`: then
# what a signal is sent to is curl itself, and not the shell of a function.
by_curl() {
	how=$1
	shift
	$how curl -sS --cacert "$T/cert.pem" -H "Authorization: Bearer $TOKEN" \
		--resolve "chat.example.org:$port:127.0.0.1" "$@"
}
through() {
	by_curl command -m 30 "$@"
}
streams() {
	by_curl exec -N -m 60 "$front/api/groups/dev/stream$1"
}
status() {
	through -o "$T/body" -w '%{http_code}' "$@"
}
answers() {
	[ "$(status "$front/readyz")" = 200 ]
}
ctl user add zoe
TOKEN=$(token zoe)
group dev gfs-alice zoe
ok "it is there" wait_for 10 answers

# REST.
is "a message, by HTTP/2" "$(through -o "$T/body" -w '%{http_code} %{http_version}' \
	-H 'Content-Type: application/json' -d '{"content":"by nginx"}' \
	"$front/api/groups/dev/messages")" '201 2'
is "is sent" "$(log dev)" '1	zoe	by nginx'
is "a refusal is groupd's" "$(status "$front/api/groups/none")$(jq -r .code "$T/body")" \
	404no_such_group
page_makes_group() {
	status -H "Origin: $1" -H 'Content-Type: application/json' \
		-d "{\"name\":\"$2\"}" "$front/api/groups"
}
is "a page of the same origin may ask" "$(page_makes_group "$front" zed)" 201
is "one of another may not" "$(page_makes_group https://evil.example evil)" 403
is "figures are for who asks groupd itself" "$(status "$front/metrics")" 404
is "plain HTTP gets nothing" "$(curl -sS -o "$T/body" -w '%{http_code}' \
	"http://127.0.0.1:$port/api/groups")" 400

# A stream: each message at once.
streams '?after_seq=0' >"$T/stream" 2>&1 &
stream=$!
ours $stream
streamed() {
	grep -q "\"$1\"" "$T/stream"
}
ok "a stream begins" wait_for 10 streamed 'by nginx'
say gfs-alice dev 'at once'
ok "and has each message at once" wait_for 5 streamed 'at once'

# WebSocket: through it with a restart of groupd.
cat >"$T/ws.py" <<'END'
import asyncio, json, os, ssl, sys, websockets

async def main():
    ctx = ssl.create_default_context(cafile=sys.argv[1])
    port = os.environ["port"]
    async with websockets.connect(
            f"wss://chat.example.org:{port}/api/ws", host="127.0.0.1",
            port=int(port), ssl=ctx, server_hostname="chat.example.org", subprotocols=["groupfs.v1"],
            origin=f"https://chat.example.org:{port}", extra_headers={
                "Authorization": "Bearer " + os.environ["TOKEN"]}) as ws:
        print("protocol", ws.subprotocol, flush=True)
        await ws.send('{"type":"subscribe","groups":[{"group":"dev","after_seq":0}]}')
        await ws.send('{"type":"send","id":1,"group":"dev","content":"by wss"}')
        async for frame in ws:
            m = json.loads(frame)
            print(m["type"], m.get("content", ""), flush=True)

asyncio.run(main())
END
TOKEN=$TOKEN $PY "$T/ws.py" "$T/cert.pem" >"$T/ws" 2>"$T/ws.log" &
ws=$!
ours $ws
ok "a WebSocket is through" wait_for 10 grep -qx 'message by wss' "$T/ws"
is "with its subprotocol" "$(head -n 1 "$T/ws")" 'protocol groupfs.v1'
kill9_groupd
start_groupd
say gfs-alice dev 'after a restart'
ok "it goes on over a restart of groupd" \
	wait_for 10 grep -qx 'message after a restart' "$T/ws"
ok "and so does the stream" wait_for 10 streamed 'after a restart'

# Uploads: not kept by nginx, refused as groupd does.
head -c 3000000 /dev/urandom >"$T/big"
is "a large file goes up" "$(status -F "file=@$T/big" \
	"$front/api/groups/dev/media")" 201
as_user gfs-alice "cat '$M/dev/media/big'" >"$T/mounted"
same "and is in the mount" "$T/big" "$T/mounted"
through -o "$T/down" "$front/api/groups/dev/media/big"
same "and comes down" "$T/big" "$T/down"
is "none was kept by nginx" "$(find "$T"/ng-* -type f | wc -l)$(grep -c \
	'buffered to a temporary' "$T/nginx.log")" 00
is "one that is too large is refused" "$(head -c 5000000 /dev/zero |
	status -H 'Expect:' -T - -X POST -H 'Content-Length: 5000000' \
		"$front/api/groups/dev/media?name=huge")" 413
is "and one that is there already, by groupd" "$(status -F "file=@$T/big" \
	"$front/api/groups/dev/media")$(jq -r .code "$T/body")" 409file_exists

# Addresses are counted here.
more=
for _ in 1 2 3 4 5 6 7 8; do
	streams '' >/dev/null 2>&1 &
	ours $!
	more="$more $!"
done
refused() {
	[ "$(status "$front/api/groups")" = 429 ]
}
ok "an address with too many is refused" wait_for 10 refused
# shellcheck disable=SC2086 # a list of words; those refused have ended
kill "$ws" "$stream" $more 2>/dev/null
ok "until it has fewer" wait_for 10 answers
logged() {
	grep -qE "^127\.0\.0\.1 \[.*\] \"GET /api/ws\" 101 [0-9]+ [0-9.]+s\$" \
		"$T/front-groupd.log"
}
ok "who was there is in its log" wait_for 10 logged

# What is asked of /metrics is there.
curl -sS "$URL/metrics" >"$T/scrape"
sed -nE 's/^# TYPE ([a-z_]+) histogram/\1_bucket\n\1_sum\n\1_count/p
	s/^# TYPE ([a-z_]+) .*/\1/p' "$T/scrape" | sort -u >"$T/there"
ok "the dashboard is JSON" jq -e '.panels | length > 20' "$EX/monitor/grafana.json"
jq -r '.. | .expr? // empty' "$EX/monitor/grafana.json" >"$T/exprs"
grep -oE '\b(groupfs|process)_[a-z_]+' "$T/exprs" | sort -u >"$T/asked"
is "each figure of the dashboard is in /metrics" \
	"$(comm -23 "$T/asked" "$T/there")" ""
is "and each of /metrics is in the dashboard" "$(sed -nE \
	's/^# TYPE ([a-z_]+) .*/\1/p' "$T/scrape" | while read -r name; do
	grep -qE "${name}(_bucket|_sum|_count)?\b" "$T/asked" || echo "$name"
done | tr '\n' ' ')" \
	"groupfs_build_info groupfs_principals groupfs_gateway_start_time_seconds "
missing=$(grep -oE '[{,(] *[a-z]+=~?"|by \([a-z, ]+\)' "$T/exprs" |
	grep -oE '[a-z]+' | grep -vxE 'by|le|instance|job' | sort -u |
	while read -r label; do
		grep -q "[{,]$label=\"" "$T/scrape" || echo "$label"
	done)
is "and each label" "$missing" ""
is "panels have ids of their own" \
	"$(jq -r '.panels[].id' "$EX/monitor/grafana.json" | sort | uniq -d)" ""
is "and places" "$(jq -r '.panels[].gridPos | "\(.x) \(.y)"' \
	"$EX/monitor/grafana.json" | sort | uniq -d)" ""
cat >"$T/monitor.py" <<'END'
import re, sys, yaml
with open(sys.argv[1]) as f:
    conf = yaml.safe_load(f)
with open(sys.argv[2]) as f:
    rules = yaml.safe_load(f)
job, = conf["scrape_configs"]
print(job["job_name"], job["static_configs"][0]["targets"][0],
      job["metrics_path"], *conf["rule_files"])
for rule in rules["groups"][0]["rules"]:
    names = re.findall(r"\b(?:groupfs|process)_[a-z_]+", rule["expr"])
    print(rule["alert"], *names)
END
ok "Prometheus' files are YAML" $PY "$T/monitor.py" \
	"$EX/monitor/prometheus.yml" "$EX/monitor/groupd-rules.yml"
cp "$T/ok.out" "$T/yaml"
is "what is scraped is groupd's default address, with its rules" \
	"$(head -n 1 "$T/yaml")" \
	'groupd 127.0.0.1:7480 /metrics groupd-rules.yml'
is "each figure of the rules is in /metrics" "$(tail -n +2 "$T/yaml" |
	cut -d' ' -f2- | tr ' ' '\n' | grep _ | sort -u | comm -23 - "$T/there")" ""
is "each rule asks for something" "$(grep -c '^Groupd' "$T/yaml")" 4
done_testing
