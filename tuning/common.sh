# shellcheck shell=bash
# What tune.sh and irq.sh share: reading below a root, writing with a note of what was there, and
# taking that back. Knows neither the table nor a network device.

root=""
undo_file=""
wrong=0
changed=0
failed=0

die() {
    echo "error: $1" >&2
    [ $# -lt 2 ] || echo "hint: $2" >&2
    exit 2
}

# read_value PATH: the words of a file, single blanks between them; the one in brackets where it
# lists a choice. Fails where it cannot be read.
read_value() {
    local text
    text=$(cat "$root/$1" 2>/dev/null) || return 1
    if [[ $text =~ \[([^]]*)\] ]]; then
        text=${BASH_REMATCH[1]}
    fi
    local -a words
    read -r -d '' -a words <<<"$text" || true
    echo "${words[*]}"
}

sum_of() {
    cksum <"$root/$1"
}

# differs WHAT NOW WANT: shows it and counts it.
differs() {
    wrong=$((wrong + 1))
    echo "$1"
    echo "  - $2"
    echo "  + $3"
}

# note KIND WHAT BEFORE AFTER: the first state of each thing is kept, so that applying twice does not
# lose it.
note() {
    mkdir -p "$(dirname "$undo_file")"
    if [ -f "$undo_file" ] && cut -f 1,2 "$undo_file" | grep -qxF "$1"$'\t'"$2"; then
        return 0
    fi
    printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >>"$undo_file"
}

# write_value PATH BEFORE AFTER
write_value() {
    note write "$1" "$2" "$3"
    if ! { echo "$3" >"$root/$1"; } 2>/dev/null; then
        echo "error: /$1 does not take $3" >&2
        failed=$((failed + 1))
        return 0
    fi
    changed=$((changed + 1))
}

# undo_all: the last change first. What somebody has changed since is left alone, and said.
undo_all() {
    if [ ! -f "$undo_file" ]; then
        echo "nothing to undo: there is no $undo_file"
        return 0
    fi
    local kind what before after now kept=""
    while IFS=$'\t' read -r kind what before after; do
        case $kind in
        write)
            now=$(read_value "$what" || true)
            if [ "$now" = "$before" ]; then
                continue
            elif ! same_value "$what" "$now" "$after"; then
                echo "left   /$what: it is $now by now, not $after"
                kept="$kind"$'\t'"$what"$'\t'"$before"$'\t'"$after"$'\n'"$kept"
            elif { echo "$before" >"$root/$what"; } 2>/dev/null; then
                echo "undone /$what: $now -> $before"
            else
                echo "error: /$what does not take $before" >&2
                kept="$kind"$'\t'"$what"$'\t'"$before"$'\t'"$after"$'\n'"$kept"
            fi
            ;;
        create)
            if [ -e "$root/$what" ] && [ "$(sum_of "$what")" != "$after" ]; then
                echo "left   /$what: it has other lines by now"
                continue
            fi
            rm -f -- "$root/$what"
            echo "undone /$what: removed"
            ;;
        queues)
            "${ETHTOOL:-ethtool}" -L "$what" combined "$before"
            echo "undone $what: $before queues"
            ;;
        esac
    done < <(tac "$undo_file")
    if [ -n "$kept" ]; then
        printf '%s' "$kept" >"$undo_file"
        return 1
    fi
    rm -f "$undo_file"
}

# same_value PATH VALUE VALUE: the kernel writes masks with leading zeros and in groups.
same_value() {
    case $1 in
    *_cpus) [ "$(plain_mask "$2")" = "$(plain_mask "$3")" ] ;;
    *) [ "$2" = "$3" ] ;;
    esac
}

plain_mask() {
    local plain=${1//,/}
    while [[ $plain == 0?* ]]; do
        plain=${plain#0}
    done
    echo "$plain"
}
