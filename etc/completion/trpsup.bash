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
	local verbs='start stop restart reload signal status ps list logs check info daemon version help'
	local options='-c --config --json -h --help' signals='HUP INT QUIT USR1 USR2 TERM KILL WINCH CONT STOP'
	local verb='' args=0 i

	case $prev in
	-c | --config)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	-n | --lines)
		return
		;;
	esac
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | --config | -n | --lines) ((i++)) ;;
		-*) ;;
		*) if [[ $verb ]]; then ((args++)); else verb=${COMP_WORDS[i]}; fi ;;
		esac
	done

	case $verb in
	start) options+=' --no-wait' ;;
	stop) options+=' --with-requirements' ;;
	logs) options+=' -f --follow -n --lines' ;;
	list) options+=' --names' ;;
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
	check:*)
		compopt -o filenames
		mapfile -t COMPREPLY < <(
			compgen -W "$(_trpsup_names)" -- "$cur"
			compgen -f -X '!*.ini' -- "$cur"
			compgen -d -- "$cur"
		)
		;;
	start:* | stop:* | restart:* | reload:* | signal:0 | status:0 | logs:0)
		mapfile -t COMPREPLY < <(compgen -W "$(_trpsup_names)" -- "$cur")
		;;
	esac
}

complete -F _trpsup trpsup
