# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the examples of the pages need: sourced as root in a world of world.sh,
# before each function that typed.table or 91-… names.

# ---- page -> set-up, before its first example: before_PAGE, or this

before() {
	start_groupd
	mount_groups
}

before_groupd_8() {
	install -m 644 "$TOP/examples/groupd.conf" /etc
	certificate_in /etc/groupd cert.pem key.pem
	start_groupd
	stand_in systemctl 'are_units() {
		for unit in "$@"; do
			[ -s /usr/local/lib/systemd/system/$unit ] || return 1
		done
	}
	[ "$1 $2" = "enable --now" ] && shift 2 && are_units "$@"'
	stand_in certbot '[ "$1 $2" = "renew --deploy-hook" ] && sh -ec "$3"'
}

before_groupd_conf_5() {
	useradd -r groupfs
	certificate_in /etc/letsencrypt/live/chat.example.org \
		fullchain.pem privkey.pem
	start_groupd
}

before_groupfs_1() {
	start_groupd
	mkdir -p /groups /srv/deploy/chat
	groupctl create deploy
}

before_groupfs_5() {
	before
	as alice 'cd && echo chart >chart.png && printf "bob\n+carol\n" >team.txt &&
		echo zoe >nobody.txt'
}

before_groupctl_1() {
	before
	as alice 'cd; printf "%s\n" deploy-bot ci-bot >names; echo plan >plan.pdf
		cd /groups && mkdir dev && echo root admin >>dev/members
		echo hello >>dev/messages && cp ~/plan.pdf dev/media/'
	mkdir -p /var/backups
	stand_in mail '[ "$1 $3" = "-s root" ] && cat >/dev/null'
	stand_in logger '[ $# = 1 ]'
	stand_in ssh 'case "$*" in
		"backup@host cat > groupd.tar") cat >/run/groupd.tar ;;
		"other groupctl export dev") cat /run/other.jsonl ;;
		*) exit 255 ;;
	esac'
}

# dev is on another machine, and not here.
dev_is_elsewhere() {
	groupctl export dev /run/other.jsonl && groupctl delete dev
}

before_README_md() {
	before
	as bob 'head -c 30000 /dev/zero >~/graph.png'
}

before_groupd_api_7() {
	start_groupd
	as alice 'head -c 100000 /dev/urandom > ~/photo.jpg'
}

# Database and Redis are here, under their names; db2 is a standby that is
# away.
before_groupd_cluster_7() {
	printf '127.0.0.1 %s\n' db1 redis1 >>/etc/hosts
	echo '127.0.0.2 db2' >>/etc/hosts
	install -d -o postgres /var/run/postgresql /var/lib/postgresql
	engine=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
	su postgres -c "cd && $engine/initdb -D /var/lib/postgresql/data -A trust &&
		$engine/pg_ctl -D /var/lib/postgresql/data -w -l /tmp/postgres.log \
		-o '-k /var/run/postgresql' start" || return
	redis-server --save '' --daemonize yes
	mkdir -p /var/backups
}

# ---- what they and the table use

wait_until() {
	tries=400
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.05
	done
}

start_groupd() {
	groupd >>/var/log/groupd.log 2>&1 </dev/null &
	wait_until groupctl status
}

stop_groupd() {
	# shellcheck disable=SC2046
	kill -TERM $(pidof groupd)
	wait_until groupd_is_gone
}

groupd_is_gone() {
	! pidof groupd
}

stop_and_lose_the_disk() {
	stop_groupd && rm -rf /var/lib/groupd
}

# stop_and_name TIME: as if the last restore had been then.
stop_and_name() {
	stop_groupd
	for file in /var/lib/groupd/*.before-restore-*; do
		end=${file##*.before-restore-}
		case $end in
		*-wal) mv "$file" "${file%"$end"}$1-wal" ;;
		*-shm) mv "$file" "${file%"$end"}$1-shm" ;;
		*) mv "$file" "${file%"$end"}$1" ;;
		esac
	done
}

mount_groups() {
	mkdir -p /groups
	groupfs -o allow_other /groups
}

# as USER COMMAND
as() {
	setpriv --reuid "$1" --regid "$1" --init-groups \
		env HOME="/home/$1" sh -ec "$2"
}

# certificate_in FOLDER CERT KEY
certificate_in() {
	mkdir -p "$1"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-days 30 -subj /CN=chat.example.org -out "$1/$2" -keyout "$1/$3"
}

# stand_in NAME CONDITION: a program of others that cannot run here; it fails
# when its arguments are not those that it knows.
stand_in() {
	printf '#!/bin/sh\n%s\n' "$2" >"/usr/local/bin/$1"
	chmod 755 "/usr/local/bin/$1"
}

# say USER GROUP TEXT: when somebody reads live.
say() {
	wait_until is_read_live
	as "$1" "echo '$3' >> /groups/$2/messages"
}

is_read_live() {
	find /proc/[0-9]*/fd -lname '*/live' 2>/dev/null | grep -q .
}

# ---- displays that are no commands, on standard input

is_a_configuration() {
	cat >/etc/groupd.conf
	groupd --check && stop_groupd && start_groupd
}

is_a_node() {
	cat >/etc/groupd.conf
	start_groupd
}

# What is mounted by it stays, for the examples below it.
is_in_fstab() {
	! mountpoint -q /groups || umount /groups || return
	cat >>/etc/fstab
	mount -a -t fuse.groupfs &&
		[ "$(cat /groups/.me/state)" = online ] &&
		[ "$(as alice 'cat /groups/.me/name')" = alice ]
}

# The command of a line of crontab(5), as cron(8) runs it.
is_in_a_crontab() {
	command=$(sed -n 's/^\([0-9*,/-]* \)\{5\}//p' | sed 's/\\%/%/g')
	[ -n "$command" ] && sh -c "$command"
}

is_a_websocket_session() {
	/usr/bin/python3 "$HERE/session.py" ws://127.0.0.1:7480/api/ws \
		"$(groupctl token create alice)"
}

is_a_bot_of_uptime() {
	cat >/run/bot
	setpriv --reuid bob --regid bob --init-groups sh /run/bot \
		>/run/bot.out 2>&1 &
	say alice ops '!uptime'
	wait_until as bob 'tail -n 1 /groups/ops/messages |
		grep -q "bob	>.*load average"' || return
	# shellcheck disable=SC2046
	kill $! $(pgrep -x -u bob cat)
}
