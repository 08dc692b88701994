_vigie_asks() {
    local IFS=$'\n' found
    if found=$(_vigie_codes "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[@]:1:COMP_CWORD-1}"); then
        COMPREPLY=()
        # Where there is none, a file is none either.
        compopt +o default +o bashdefault 2>/dev/null
        local word
        for word in $found; do COMPREPLY+=("$(printf '%q' "$word")"); done
        return 0
    fi
    unset IFS
    _vigie "$@"
}
complete -F _vigie_asks -o bashdefault -o default vigie
