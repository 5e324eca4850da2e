# SPDX-License-Identifier: ISC
# bash completion for trpsup(1). The verbs and options are those of supervisor/cli/main.c.

_trpsup_names()
{
	# -c FILE names another daemon, which has other profiles
	local i conf=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | --config) conf=(-c "${COMP_WORDS[i + 1]}") ;;
		esac
	done
	"${COMP_WORDS[0]}" "${conf[@]}" list --names 2>/dev/null
}

_trpsup()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local verbs='start stop restart reload signal exec enable disable freeze thaw status ps top timers list logs events cat edit check score routes explain counters conns kick learn info upgrade detach upgrade-router daemon version help'
	local options='-c --config --json -h --help' signals='HUP INT QUIT USR1 USR2 TERM KILL WINCH CONT STOP'
	local verb='' args=0 i

	case $prev in
	-c | --config)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	-s | --sort)
		mapfile -t COMPREPLY < <(compgen -W 'cpu memory processes read written connections' -- "$cur")
		return
		;;
	-u | --user | --since | -d | --delay | --rounds | -n | --lines | --until | --grep | --stream | --listener | --threshold | --seconds | --syscalls)
		return
		;;
	--service)
		mapfile -t COMPREPLY < <(compgen -W "$(_trpsup_names)" -- "$cur")
		return
		;;
	--protocol)
		mapfile -t COMPREPLY < <(compgen -W 'raw http tls ssh postgres h2c minecraft xmpp xmpp-server' -- "$cur")
		return
		;;
	esac
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | --config | -n | --lines | --until | --grep | --stream | --listener | --protocol | --service | --threshold | --seconds | --syscalls | -u | --user | --since | -d | --delay | --rounds | -s | --sort) ((i++)) ;;
		-*) ;;
		*) if [[ $verb ]]; then ((args++)); else verb=${COMP_WORDS[i]}; fi ;;
		esac
	done

	case $verb in
	start) options+=' --no-wait' ;;
	stop) options+=' --with-requirements' ;;
	enable | disable) options+=' --now' ;;
	events) options+=' -f --follow --since' ;;
	top) options+=' -d --delay -n --rounds -s --sort' ;;
	cat) options+=' --all' ;;
	exec) options+=' -i --interactive -t --tty -it -u --user' ;;
	restart) options+=' --overlap' ;;
	logs) options+=' -f --follow -n --lines --since --until --grep --stream --all' ;;
	list) options+=' --names' ;;
	kick) options+=' --service' ;;
	score) options+=' --threshold' ;;
	learn) options+=' --seconds --check --syscalls --stop --show --reset --exact' ;;
	upgrade) options+=' --anyway' ;;
	explain) options+=' --listener --protocol' ;;
	'') options+=' --version' ;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
		return
	fi
	case $verb:$args in
	:*) mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$cur") ;;
	help:0) mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$cur") ;;
	signal:1) mapfile -t COMPREPLY < <(compgen -W "$signals" -- "$cur") ;;
	check:* | score:*)
		compopt -o filenames
		mapfile -t COMPREPLY < <(
			compgen -W "$(_trpsup_names)" -- "$cur"
			compgen -f -X '!*.ini' -- "$cur"
			compgen -d -- "$cur"
		)
		;;
	start:* | enable:* | disable:* | freeze:* | thaw:* | top:* | events:* | logs:* | stop:* | restart:* | reload:* | signal:0 | exec:0 | learn:0 | cat:0 | edit:0 | status:0 | conns:0)
		mapfile -t COMPREPLY < <(compgen -W "$(_trpsup_names)" -- "$cur")
		;;
	esac
}

complete -F _trpsup trpsup
