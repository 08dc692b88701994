# What is known by code, name or number: asked of the registry, which has to answer soon or not at all.
# The word so far, then the words before it, the program's own not among them.
_vigie_codes() {
    local begins=$1 noun= verb= last= skip= what= word
    local -a given
    given=()
    shift
    for word in "$@"; do
        last=$word
        case $skip in
            given) given+=("$word"); skip=; continue ;;
            other) skip=; continue ;;
        esac
        case $word in
            --config|--registry|--profile) given+=("$word"); skip=given ;;
            --reason|--confirm|--unlock|--filter|--limit|--at-once|--stop-after) skip=other ;;
            -*) ;;
            *)
                if [ -z "$noun" ]; then noun=$word
                elif [ -z "$verb" ]; then verb=$word
                fi
                ;;
        esac
    done
    case $skip in ?*) return 1 ;; esac
    case $last in
        --server|--on) what=servers ;;
        --template) what=templates ;;
        --plan) what=plans ;;
        --customer) what=customers ;;
        --json|--yes|--dry-run|--wait|--follow) ;;
        -*) return 1 ;;
    esac
    if [ -z "$what" ]; then
        case $noun/$verb in
            server/edit|server/remove|server/show|server/test|server/activate|server/deactivate) what=servers ;;
            server/maintenance|server/check|explain/server|timeline/server) what=servers ;;
            template/create-database|template/adopt|template/thaw|template/remove|template/show) what=templates ;;
            template/password|explain/template|timeline/template) what=templates ;;
            instance/remove|instance/show|instance/password|explain/instance|timeline/instance) what=instances ;;
            job/show|job/log|job/cancel|job/retry|explain/job|timeline/job) what=jobs ;;
            *) return 1 ;;
        esac
    fi
    case $begins in -*) return 1 ;; esac
    command vigie "${given[@]}" complete "$what" -- "$begins" 2>/dev/null
}

