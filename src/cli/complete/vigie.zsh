_vigie() {
    local found
    if found=$(_vigie_codes "$PREFIX" "${(@)words[2,CURRENT-1]}"); then
        local -a codes
        codes=("${(@f)found}")
        compadd -a codes
        return
    fi
    _vigie_static "$@"
}
