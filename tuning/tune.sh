#!/usr/bin/env bash
# Sets what tuning/table.toml says, or only tells what it would set. See README.md beside it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=common.sh
. "$here/common.sh"

usage() {
    cat <<'END'
usage: tune.sh [plan|apply|check|undo] [options]

  plan       tell what would change (what tune.sh alone does)
  apply      change it, and note what was there
  check      tell what is not as wanted; exit code 1 if anything is
  undo       put back what apply noted

  --class CLASS    safe (the default), measure-first or lab-only; each contains those before it
  --only NAME      only this item of the table, whatever its class; may be repeated
  --persist        apply: also install sysctl.d and limits.d below /etc, which holds after a boot
  --root DIR       a folder instead of /, for tests
  --undo-file FILE where apply notes what was there [/var/lib/corelane/tuning.undo]

Exit codes: 0 done, 1 something could not be done or is not as wanted, 2 wrong usage.
END
}

command=plan
class=safe
only=()
persist=no
case ${1:-} in
plan | apply | check | undo)
    command=$1
    shift
    ;;
esac
while [ $# -gt 0 ]; do
    case $1 in
    --class | --only | --root | --undo-file)
        [ $# -ge 2 ] || die "$1 needs a value" "tune.sh --help"
        case $1 in
        --class) class=$2 ;;
        --only) only+=("$2") ;;
        --root) root=${2%/} ;;
        --undo-file) undo_file=$2 ;;
        esac
        shift 2
        ;;
    --persist)
        persist=yes
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) die "unknown argument $1" "tune.sh --help" ;;
    esac
done
undo_file=${undo_file:-$root/var/lib/corelane/tuning.undo}

rank() {
    case $1 in
    safe) echo 1 ;;
    measure-first) echo 2 ;;
    lab-only) echo 3 ;;
    *) die "no class $1" "safe, measure-first or lab-only" ;;
    esac
}
class_rank=$(rank "$class")

# holds RULE VALUE; fails too where the value has not the form of the rule.
holds() {
    local rule=$1 value=$2 word
    local -a words
    case $rule in
    "at least "*) [[ $value =~ ^[0-9]+$ ]] && [ "$value" -ge "${rule#at least }" ] ;;
    "at most "*) [[ $value =~ ^[0-9]+$ ]] && [ "$value" -le "${rule#at most }" ] ;;
    "is "*) [ "$value" = "${rule#is }" ] ;;
    "one of "*)
        for word in ${rule#one of }; do
            [ "$word" != "$value" ] || return 0
        done
        return 1
        ;;
    "third at least "*)
        read -r -a words <<<"$value"
        [[ ${words[2]:-} =~ ^[0-9]+$ ]] && [ "${words[2]}" -ge "${rule#third at least }" ]
        ;;
    *) die "the table has a rule that is none: $rule" ;;
    esac
}

# target RULE VALUE: what to write.
target() {
    local -a words
    case $1 in
    "third at least "*)
        read -r -a words <<<"$2"
        echo "${words[0]} ${words[1]} ${1#third at least }"
        ;;
    "at least "*) echo "${1#at least }" ;;
    "at most "*) echo "${1#at most }" ;;
    "is "*) echo "${1#is }" ;;
    "one of "*)
        read -r -a words <<<"${1#one of }"
        echo "${words[0]}"
        ;;
    esac
}

sysctl_path() {
    echo "proc/sys/${1//.//}"
}

# Sysctls that are as wanted by another value than the one that would be written.
better=" "
unknown=0
fine=0

# one PATH: a file of the item whose fields are in $item.
one() {
    local path=$1 now to
    if ! now=$(read_value "$path"); then
        echo "unknown ${item[name]}: /$path cannot be read"
        unknown=$((unknown + 1))
        return 0
    fi
    if holds "${item[want]}" "$now"; then
        fine=$((fine + 1))
        if [ "$now" != "$(target "${item[want]}" "$now")" ]; then
            better+="${item[key]} "
        fi
        return 0
    fi
    to=$(target "${item[want]}" "$now")
    differs "${item[name]} (${item[class]}) /$path" "$now" "$to"
    if [ "$command" = apply ]; then
        write_value "$path" "$now" "$to"
        # Some files take a value and keep another.
        if ! holds "${item[want]}" "$(read_value "$path")"; then
            echo "error: /$path is $(read_value "$path") after $to was written" >&2
            failed=$((failed + 1))
        fi
    fi
}

declare -A item=()
names=" "

handle() {
    [ -n "${item[name]:-}" ] || return 0
    names+="${item[name]} "
    local chosen=no name path condition
    if [ ${#only[@]} -gt 0 ]; then
        for name in "${only[@]}"; do
            [ "$name" != "${item[name]}" ] || chosen=yes
        done
    elif [ "$(rank "${item[class]}")" -le "$class_rank" ]; then
        chosen=yes
    fi
    [ "$chosen" = yes ] || return 0
    if [ -n "${item[when]:-}" ]; then
        condition=$(read_value "$(sysctl_path "${item[when]%% *}")" || true)
        holds "${item[when]#* }" "$condition" || return 0
    fi
    case ${item[kind]} in
    sysctl) one "$(sysctl_path "${item[key]}")" ;;
    sysfs)
        local any=no
        # The star of the key is meant to be one.
        # shellcheck disable=SC2231
        for path in "$root"/${item[key]}; do
            [ -e "$path" ] || continue
            any=yes
            one "${path#"$root"/}"
        done
        if [ "$any" = no ]; then
            echo "unknown ${item[name]}: there is no /${item[key]}"
            unknown=$((unknown + 1))
        fi
        ;;
    # A limit is given by files that are read at log-in, and by units: see --persist.
    limit | hand) ;;
    esac
}

# The file for boot without the lines that would make something less than it is.
for_boot() {
    local line
    while IFS= read -r line; do
        if [[ $line == *" = "* && $better == *" ${line%% = *} "* && $line != "#"* ]]; then
            line="# more here already: $line"
        fi
        printf '%s\n' "$line"
    done <"$1"
}

# install_file SOURCE TARGET: below /etc, where nothing of another content stands.
install_file() {
    if cmp -s <(for_boot "$1") "$root/$2"; then
        return 0
    fi
    if [ -e "$root/$2" ]; then
        echo "error: /$2 is there and has other lines; look at it and remove it first" >&2
        failed=$((failed + 1))
        return 0
    fi
    echo "install /$2"
    wrong=$((wrong + 1))
    [ "$command" = apply ] || return 0
    mkdir -p "$(dirname "$root/$2")"
    for_boot "$1" >"$root/$2"
    note create "$2" - "$(sum_of "$2")"
    changed=$((changed + 1))
}

if [ "$command" = undo ]; then
    if undo_all; then exit 0; else exit 1; fi
fi

while IFS= read -r line; do
    case $line in
    "" | "#"*) ;;
    "["*"]")
        handle
        item=()
        line=${line#\[}
        item[name]=${line%\]}
        ;;
    *)
        text=${line#* = \"}
        item[${line%% = *}]=${text%\"}
        ;;
    esac
done <"$here/table.toml"
handle

for name in ${only[@]+"${only[@]}"}; do
    [[ $names == *" $name "* ]] || die "no item $name" "the names stand in $here/table.toml"
done
if [ "$persist" = yes ]; then
    install_file "$here/sysctl.d/60-corelane.conf" etc/sysctl.d/60-corelane.conf
    install_file "$here/limits.d/60-corelane.conf" etc/security/limits.d/60-corelane.conf
fi

case $command in
plan) echo "$wrong to change, $fine as wanted, $unknown unknown; nothing was written" ;;
check) echo "$wrong not as wanted, $fine as wanted, $unknown unknown" ;;
apply)
    echo "$changed changed, $fine as wanted, $unknown unknown, $failed failed"
    if [ "$changed" -gt 0 ]; then
        echo "tune.sh undo puts it back, by $undo_file"
    fi
    ;;
esac
if [ "$failed" -gt 0 ] || { [ "$command" = check ] && [ "$wrong" -gt 0 ]; }; then
    exit 1
fi
