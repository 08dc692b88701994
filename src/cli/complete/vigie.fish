function __vigie_codes
    set -l given
    set -l words (commandline -opc)
    for at in (seq (count $words))
        set -l next (math $at + 1)
        if contains -- $words[$at] --config --registry --profile; and test $next -le (count $words)
            set -a given $words[$at] $words[$next]
        end
    end
    command vigie $given complete $argv[1] -- (commandline -ct) 2>/dev/null
end
function __vigie_at
    __fish_seen_subcommand_from $argv[1]; and __fish_seen_subcommand_from $argv[2..-1]
end
complete -c vigie -n "__vigie_at server edit remove show test activate deactivate maintenance check" -f -a "(__vigie_codes servers)"
complete -c vigie -n "__vigie_at template create-database adopt thaw remove show password" -f -a "(__vigie_codes templates)"
complete -c vigie -n "__vigie_at instance remove show password" -f -a "(__vigie_codes instances)"
complete -c vigie -n "__vigie_at job show log cancel retry" -f -a "(__vigie_codes jobs)"
for verb in explain timeline
    complete -c vigie -n "__vigie_at $verb server" -f -a "(__vigie_codes servers)"
    complete -c vigie -n "__vigie_at $verb template" -f -a "(__vigie_codes templates)"
    complete -c vigie -n "__vigie_at $verb instance" -f -a "(__vigie_codes instances)"
    complete -c vigie -n "__vigie_at $verb job" -f -a "(__vigie_codes jobs)"
end
