#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 240
# TLS: who serves what, to whom, and how a renewed certificate gets there
# without anybody missing a message.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
mkdir "$T/pki"
CA=$T/pki/ca.pem
export CA

# sign NAME SUBJECT ISSUER EXTENSION: $T/pki/NAME.{key,pem} of an EC key.
sign() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-subj "/CN=$2" -keyout "$T/pki/$1.key" -out "$T/pki/$1.csr" &&
		printf '%s\n' "$4" >"$T/pki/$1.ext" &&
		openssl x509 -req -in "$T/pki/$1.csr" -CA "$T/pki/$3.pem" \
			-CAkey "$T/pki/$3.key" -CAcreateserial -days 2 \
			-extfile "$T/pki/$1.ext" -out "$T/pki/$1.pem"
}
# leaf NAME ISSUER: one for this machine, and NAME.chain with its issuer.
leaf() {
	sign "$1" "$1" "$2" 'subjectAltName=DNS:localhost,IP:127.0.0.1' &&
		cat "$T/pki/$1.pem" "$T/pki/$2.pem" >"$T/pki/$1.chain"
}
make_pki() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=Test CA' \
		-keyout "$T/pki/ca.key" -out "$CA" &&
		sign middle Middle ca 'basicConstraints=critical,CA:true' &&
		leaf first middle && leaf second middle &&
		openssl pkey -aes128 -passout pass:secret \
			-in "$T/pki/first.key" -out "$T/pki/locked.key"
}
make_pki >"$T/openssl.log" 2>&1 || {
	diag "no certificates: $(tail -n 3 "$T/openssl.log")"
	exit 1
}
P=$T/pki
chmod 600 "$P"/*.key

# What is wrong with the files is said before anything runs.
check() {
	"$BUILD/groupd" --data "$T/data" --socket "$SOCKET" --check "$@"
}
ok "--check takes a certificate, its chain and its key" \
	check --tls-cert "$P/first.chain" --tls-key "$P/first.key"
is "and says nothing" "$(cat "$T/ok.out")" ""
echo "rubbish" >"$P/rubbish"
{
	cat "$P/first.pem"
	echo "-----BEGIN CERTIFICATE-----"
	echo "AAAA"
	echo "-----END CERTIFICATE-----"
} >"$P/broken"
head -c 300000 /dev/zero >"$P/huge"
: >"$P/empty"
while IFS='|' read -r cert key says; do
	fails "refused: $cert, $key" check ${cert:+--tls-cert "$P/$cert"} \
		${key:+--tls-key "$P/$key"}
	like "in words" "$(cat "$T/ok.out")" "$says"
done <<END
first.chain||go together
|first.key|go together
none.pem|first.key|Cannot read .*/none.pem: No such file
first.chain|none.key|Cannot read .*/none.key: No such file
.|first.key|Cannot read .*: Is a directory
rubbish|first.key|no certificate in .*/rubbish
empty|first.key|no certificate in .*/empty
huge|first.key|Cannot read .*/huge: it has more than
broken|first.key|chain in .*/broken cannot be read
first.chain|rubbish|no private key in .*/rubbish
first.chain|first.pem|no private key in .*/first.pem
first.chain|locked.key|key in .*/locked.key has a passphrase
first.chain|second.key|key in .*/second.key is not that of .*/first.chain
middle.pem|first.key|key in .*/first.key is not that of .*/middle.pem
END
openssl x509 -req -in "$P/first.csr" -CA "$P/middle.pem" -days -1 \
	-CAkey "$P/middle.key" -CAcreateserial -out "$P/old.pem" \
	>>"$T/openssl.log" 2>&1
ok "one that has expired is taken" check --tls-cert "$P/old.pem" \
	--tls-key "$P/first.key"
like "with a warning" "$(cat "$T/ok.out")" 'has expired: file=".*/old.pem"'
if [ "$(id -u)" = 0 ]; then
	need_users
	cp "$BUILD/groupd" "$P/groupd-of-all"
	fails "a key that may not be read" as_user gfs-alice \
		"'$P/groupd-of-all' --data '$T/a' --socket '$T/s' --check \
		--tls-cert '$P/first.chain' --tls-key '$P/first.key'"
	like "is named" "$(cat "$T/ok.out")" 'first.key: Permission denied'
fi
"$BUILD/groupd" --data "$T/data" --socket "$SOCKET" --tls-cert "$P/none" \
	--tls-key "$P/none" 2>"$T/ok.out"
is "groupd does not start with a wrong file" $? 2

cp "$P/first.chain" "$P/cert.pem"
cp "$P/first.key" "$P/key.pem"
chmod 600 "$P/key.pem"
start_groupd --gateways 2 --tls-cert "$P/cert.pem" --tls-key "$P/key.pem"
mount_fs
mkdir "$M/dev"
TOKEN=$(token "$ME")
export TOKEN URL
port=${LISTEN##*:}
URL=https://localhost:$port
get() {
	curl -sS -m 20 --cacert "$CA" -H "Authorization: Bearer $TOKEN" "$@"
}
answers() {
	get "$URL/readyz"
}
ok "REST answers by TLS" wait_for 10 answers
like "the token is good for it" "$(get "$URL/api/groups")" '"name":"dev"'
is "the figures say so" "$(figure tls)" yes
for pid in $(marked_pids); do
	[ "$(readlink "/proc/$pid/exe")" = "$BUILD/groupd-gateway" ] || continue
	fails "the key is on no command line, and not open" sh -c \
		"tr '\0' '\n' <'/proc/$pid/cmdline' | grep -E 'PRIVATE|key.pem' ||
			ls -l '/proc/$pid/fd' | grep -E 'key.pem|memfd'"
done

# s_client OPTION...: what openssl says of one handshake.
s_client() {
	openssl s_client -connect "localhost:$port" -CAfile "$CA" \
		-servername localhost "$@" </dev/null 2>&1
}
like "the chain is served whole" "$(s_client -verify_return_error)" \
	'Verify return code: 0'
like "TLS 1.3 is spoken" "$(s_client -tls1_3)" 'TLSv1.3, Cipher is TLS_'
like "with X25519" "$(s_client -tls1_3)" 'Server Temp Key: X25519'
like "TLS 1.2 too, forward secret" "$(s_client -tls1_2)" \
	'TLSv1.2, Cipher is ECDHE-'
old='DEFAULT:@SECLEVEL=0'
like "TLS 1.1 is not" "$(s_client -tls1_1 -cipher "$old")" \
	'alert protocol version|Cipher is \(NONE\)'
like "nor TLS 1.0" "$(s_client -tls1 -cipher "$old")" \
	'alert protocol version|Cipher is \(NONE\)'
like "nor a cipher that keeps no secret" \
	"$(s_client -tls1_2 -cipher AES128-SHA:AES128-GCM-SHA256)" \
	'Cipher is \(NONE\)'
like "h2 alone is not agreed on" "$(s_client -alpn h2)" \
	'no application protocol|No ALPN negotiated'
like "of h2 and http/1.1 it is the latter" "$(s_client -alpn h2,http/1.1)" \
	'ALPN protocol: http/1.1'
like "curl gets no HTTP/2 either" "$(get --http2 -D - -o "$T/body" \
	"$URL/healthz")" '^HTTP/1.1 200'
fails "who does not know the CA does not trust it" curl -sS -m 20 "$URL/healthz"

# Plain HTTP, rubbish and silence on the port hurt nobody.
is "plain HTTP is refused" "$(curl -sS -m 20 -o "$T/body" -w '%{http_code}' \
	"http://localhost:$port/healthz" 2>"$T/ok.out")" 000
is "rubbish is, at once" "$($PY "$HERE/reach.py" handshake 127.0.0.1 "$port" \
	00ff00ff00ff00ff00ff00ff00ff00ff)" short
# A hello that is promised to have 512 bytes, and has 3.
$PY "$HERE/reach.py" handshake 127.0.0.1 "$port" 1603010200010203 \
	>"$T/half" 2>&1 &
half=$!
$PY "$HERE/reach.py" handshake 127.0.0.1 "$port" >"$T/silent" 2>&1 &
silent=$!
ours $half
ours $silent
ok "others are served meanwhile" answers
wait $half
is "half a handshake ends after its time" "$(cat "$T/half")" long
wait $silent
is "and silence" "$(cat "$T/silent")" long

# Requests with bodies, streams, WebSockets.
is "POST works" "$(get -o "$T/body" -w '%{http_code}' \
	-H 'Content-Type: application/json' -d '{"content":"one"}' \
	"$URL/api/groups/dev/messages")" 201
# Some end with a record of TLS, some need several.
for n in 1 3000 4000 4096 9000 16000 16384 17000 33000; do
	head -c "$n" /dev/zero | tr '\0' y >"$T/big"
	get -o "$T/body" -w '%{http_code}\n' -H 'Content-Type: text/plain' \
		--data-binary "@$T/big" "$URL/api/groups/dev/messages?n=$n"
done >"$T/sizes"
is "with bodies of any length" "$(sort "$T/sizes" | uniq -c | tr -d ' \n')" 9201
head -c 60000 /dev/zero | tr '\0' y >"$T/big"
is "and a large body" "$(get -o "$T/body" -w '%{http_code}' \
	-H 'Content-Type: text/plain' --data-binary "@$T/big" \
	"$URL/api/groups/dev/messages")" 201
get "$URL/api/groups/dev/messages?after_seq=0" >"$T/body"
is "which comes back whole" "$(jq -r '.messages[10].content' "$T/body" |
	tr -d '\n' | md5sum)" "$(md5sum <"$T/big")"
get -m 200 -N "$URL/api/groups/dev/stream?after_seq=0" >"$T/stream" 2>&1 &
stream=$!
ours $stream
$PY "$HERE/reach.py" follow dev >"$T/follow" 2>"$T/follow.err" &
follow=$!
ours $follow
ok "a stream comes" wait_for 10 grep -q '"one"' "$T/stream"
ok "a WebSocket is greeted" wait_for 10 grep -qx "hello $ME" "$T/follow"
is "and sends" "$($PY "$HERE/reach.py" send dev 'by wss')" 12
is "300 requests in one write are answered" \
	"$($PY "$HERE/reach.py" burst 300)" 300
is "rubbish by the record is put out" \
	"$($PY "$HERE/reach.py" noise | sort | uniq -c | tr -d ' ')" 5closed
is "304 requests in one write are answered, in order" \
	"$($PY "$HERE/reach.py" pipeline dev)" '201 201 201 200	304	page'
is "those that write have written" \
	"$(tail -n 3 "$M/dev/messages" | cut -f4 | tr '\n' ' ')" \
	'piped 0 piped 1 piped 2 '
ok "what comes to the stream" wait_for 10 grep -q 'by wss' "$T/stream"
ok "and to the other WebSocket" wait_for 10 grep -q 'by wss' "$T/follow"
kill $stream 2>/dev/null

# 20 that take nothing, while 400 messages of 4 kB come: more than the kernel
# holds. They get each of them later.
WANT=$(($(wc -l <"$M/dev/messages") + 400))
export GO="$T/go" WANT
$PY "$HERE/reach.py" slow dev 20 >"$T/slow" 2>"$T/slow.err" &
slow=$!
ours $slow
ok "20 subscribe, and stop reading" wait_for 20 lines_at_least "$T/slow" 20
$PY -c 'for i in range(400): print(("%d " % i) + "z" * 4000)' \
	>>"$M/dev/messages"
ok "others have all of it meanwhile" wait_for 20 grep -q "^$WANT	" "$T/follow"
: >"$GO"
wait $slow
is "they get each message, in order, by TLS" \
	"$(grep -c "^all	.*	$WANT\$" "$T/slow")" 20
is "and nothing else happened" "$(grep -cE '^(gap|bye)' "$T/slow")" 0

# A new certificate: SIGHUP, one gateway after the other.
serial() {
	openssl s_client -connect "localhost:$port" -CAfile "$CA" </dev/null \
		2>/dev/null | openssl x509 -noout -serial
}
serves() {
	serial >"$T/serial"
	[ "$(cat "$T/serial")" = "$(openssl x509 -noout -serial -in "$1")" ]
}
hup() {
	before=$(grep -c 'the configuration\|the old conf' "$T/groupd.log")
	kill -HUP "$GROUPD"
	wait_for 10 heard "$before"
}
heard() {
	[ "$(grep -c 'the configuration\|the old conf' "$T/groupd.log")" -gt "$1" ]
}
started() {
	grep -c 'started gateway' "$T/groupd.log"
}
ok "the first is served" serves "$P/first.pem"
gateways=$(started)
ok "SIGHUP with the same files" hup
is "replaces nobody" "$(started)" "$gateways"
cp "$P/second.chain" "$P/cert.pem"
ok "SIGHUP with half a renewal is heard" hup
like "and refused in words" "$(grep 'kept the old' "$T/groupd.log")" \
	'key.pem is not that of the certificate'
ok "the first is still served" serves "$P/first.pem"
is "by the same processes" "$(started)" "$gateways"
cp "$P/second.key" "$P/key.pem"
# Who comes meanwhile waits a moment, and is not refused.
ask_until() {
	while [ ! -e "$1" ]; do
		curl -sS -m 20 --cacert "$CA" -o /dev/null -w '%{http_code}\n' \
			-H "Authorization: Bearer $TOKEN" "$URL/api/groups"
		echo meanwhile >>"$M/dev/messages"
	done
}
ask_until "$T/renewed" >"$T/requests" 2>&1 &
requests=$!
ours $requests
ok "SIGHUP with both is taken" hup
both_replaced() {
	[ "$(started)" -ge $((gateways + 2)) ]
}
ok "both gateways are replaced" wait_for 30 both_replaced
one_by_one() {
	[ "$(grep -c 'groupd is there' "$T/groupd.log")" -ge 4 ]
}
ok "and are there" wait_for 20 one_by_one
like "the second when the first was there again" \
	"$(sed -n '/replacing the gateways/,$p' "$T/groupd.log" |
		grep -oE 'told to go|started gateway' |
		head -n 4 | tr '\n' ',')" \
	'^told to go,started gateway,told to go,started gateway,'
for i in 1 2 3 4 5 6; do
	serves "$P/second.pem" || break
done
is "each handshake shows the new certificate" "$i" 6
: >"$T/renewed"
wait $requests
is "no request was refused" "$(sort -u "$T/requests")" 200
diag "$(wc -l <"$T/requests") requests during the renewal"
echo last >>"$M/dev/messages"
n=$(wc -l <"$M/dev/messages")
ok "the WebSocket came back" wait_for 20 grep -q "^$n	" "$T/follow"
is "and has every message once, in order" \
	"$(grep -oE '^[0-9]+' "$T/follow" | md5sum)" "$(seq "$n" | md5sum)"
like "with a code that says so" "$(grep '^back' "$T/follow")" '3001'

# A gateway that dies, a groupd that dies: the certificate stays.
kill9_groupd
start_groupd --gateways 2 --tls-cert "$P/cert.pem" --tls-key "$P/key.pem"
URL=https://localhost:$port
ok "after kill -9 of groupd" wait_for 10 answers
is "its gateways are the same" "$(grep -c 'adopted gateway' "$T/groupd.log")" 2
ok "with the same certificate" serves "$P/second.pem"
rm "$P/cert.pem" "$P/key.pem"
for pid in $(marked_pids); do
	[ "$(readlink "/proc/$pid/exe")" = "$BUILD/groupd-gateway" ] &&
		kill -KILL "$pid"
done
ok "and after theirs, with the files gone" wait_for 10 answers
ok "still it" serves "$P/second.pem"
ok "SIGHUP with the files gone" hup
like "keeps it" "$(tail -n 3 "$T/groupd.log")" 'cert.pem: No such file'
ok "and it is served" serves "$P/second.pem"

# One gateway: its port is listened on while there is none.
stop_groupd
cp "$P/first.chain" "$P/cert.pem"
cp "$P/first.key" "$P/key.pem"
start_groupd --gateways 1 --tls-cert "$P/cert.pem" --tls-key "$P/key.pem"
URL=https://localhost:$port
ok "one gateway, and the first certificate" wait_for 10 serves "$P/first.pem"
ok "the mount is back" wait_for 20 is_online
gateways=$(started)
cp "$P/second.chain" "$P/cert.pem"
cp "$P/second.key" "$P/key.pem"
ask_until "$T/renewed-again" >"$T/requests" 2>&1 &
requests=$!
ours $requests
one_more() {
	[ "$(started)" -gt "$gateways" ]
}
ok "is renewed" hup
ok "by another one" wait_for 20 one_more
ok "with the second" wait_for 10 serves "$P/second.pem"
: >"$T/renewed-again"
wait $requests
is "no request was refused meanwhile" "$(sort -u "$T/requests")" 200
kill $follow
done_testing
