# Completion of tilery, tileryd and tilery-bridge for bash. The options are those that the program's --help lists, or its
# command's.

# _tilery_values OPTION COMMAND: what may stand there, where that is one of a few words.
_tilery_values()
{
    case $1 in
    --schedule) echo static cyclic dynamic guided stealing ;;
    --kernel) echo auto avx512 avx2 sse2 neon scalar ;;
    --mode) echo concurrent sequential ;;
    --palette) echo viridis magma grey thread ;;
    --log | --access-log) echo logfmt json off ;;
    --format)
        case $2 in
        compute) echo json ndjson csv table trace ;;
        render) echo png pgm raw ;;
        compare) echo table csv json ;;
        bench) echo table json ;;
        describe) echo proto binary ;;
        *) echo json ndjson csv table trace png pgm raw proto binary ;;
        esac
        ;;
    esac
}

# _tilery_options PROGRAM WORD...: fills takes with what its help lists.
_tilery_options()
{
    local option value program=${1/#\~/$HOME}

    shift
    while read -r option value; do
        takes[$option]=$value
    done < <(ARGP_HELP_FMT=rmargin=200 "$program" "$@" 2>/dev/null |
        sed -nE 's/^ +(-(.), )?--([a-z0-9-]+)(=([^ ]+))?( .*)?$/--\3 \5\n-\2 \5/p')
    unset 'takes[-]'
}

_tilery_complete()
{
    local help=--help
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command="" word list="" i
    local -A takes=() # an option's argument, as --help names it; empty where it takes none

    COMPREPLY=()
    [[ ${1##*/} != tilery ]] || help=--full-help
    _tilery_options "$1" $help

    # Equals signs and colons are words of their own.
    if [[ $current = = ]]; then
        current=
    elif [[ $previous = = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word = -* && -n ${takes[$word]-} ]]; then
            [[ ${COMP_WORDS[i + 1]-} != = ]] || ((++i))
            ((++i))
            while [[ ${COMP_WORDS[i + 1]-} = : ]]; do ((i += 2)); done
        elif [[ $word != -* ]]; then
            command=$word
            break
        fi
    done

    if [[ $previous = -* && -n ${takes[$previous]-} ]]; then
        if [[ ${takes[$previous]} = FILE ]]; then
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            compopt -o filenames 2>/dev/null
        else
            # compare takes several, commas between.
            [[ $command != compare || $current != *,* ]] || list=${current%,*},
            mapfile -t COMPREPLY < <(compgen -P "$list" -W "$(_tilery_values "$previous" "$command")" -- "${current#"$list"}")
        fi
    elif [[ $current = -* ]]; then
        if [[ -n $command ]]; then
            takes=()
            _tilery_options "$1" "$command" --help
        fi
        mapfile -t COMPREPLY < <(compgen -W "${!takes[*]}" -- "$current")
    elif [[ ${1##*/} = tilery && -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'compute render compare bench cancel health info stats describe' -- "$current")
    elif [[ $command = health ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'tilery.v1.TileCompute tilery.v1.Health tilery.v1.Server' -- "$current")
    elif [[ $command = describe ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'TileCompute TileCompute/Compute TileCompute/OpenStream TileCompute/NextTiles
            TileCompute/Cancel Health Health/Check Server Server/Info Server/Stats Server/Describe' -- "$current")
    fi
}

complete -F _tilery_complete tilery tileryd tilery-bridge
