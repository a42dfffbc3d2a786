#!/usr/bin/env bash
# Brings the queues of network devices to the processors of the workers: interrupts, XPS, and RPS
# where queues are fewer than workers. Tells only what it would do, unless told to. See README.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=common.sh
. "$here/common.sh"

usage() {
    cat <<'END'
usage: irq.sh [plan|apply|undo] [options]

  plan       tell what would change (what irq.sh alone does)
  apply      change it, and note what was there
  undo       put back what apply noted

  --device DEV     only this device; may be repeated [all with hardware that are up]
  --cpus LIST      the workers' processors, as 0-3,8 [those that this shell may use]
  --queues N       first give each device N queues (ethtool -L DEV combined N)
  --rps HOW        auto (the default: where queues are fewer than workers), on or off
  --root DIR       a folder instead of /, for tests
  --undo-file FILE where apply notes what was there [/var/lib/corelane/irq.undo]

Exit codes: 0 done, 1 something could not be done, 2 wrong usage.
END
}

command=plan
devices=()
cpu_list=""
queues=""
rps=auto
case ${1:-} in
plan | apply | undo)
    command=$1
    shift
    ;;
esac
while [ $# -gt 0 ]; do
    case $1 in
    --device | --cpus | --queues | --rps | --root | --undo-file)
        [ $# -ge 2 ] || die "$1 needs a value" "irq.sh --help"
        case $1 in
        --device) devices+=("$2") ;;
        --cpus) cpu_list=$2 ;;
        --queues) queues=$2 ;;
        --rps) rps=$2 ;;
        --root) root=${2%/} ;;
        --undo-file) undo_file=$2 ;;
        esac
        shift 2
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) die "unknown argument $1" "irq.sh --help" ;;
    esac
done
undo_file=${undo_file:-$root/var/lib/corelane/irq.undo}
[[ $rps =~ ^(auto|on|off)$ ]] || die "--rps $rps" "auto, on or off"
[[ $queues =~ ^[0-9]*$ && $queues != 0 ]] || die "--queues $queues" "a number from 1 on"
# A device of this machine is not to be changed by a test.
if [ -n "$queues" ] && [ -n "$root" ] && [ -z "${ETHTOOL:-}" ]; then
    die "--queues asks the device itself, which --root has none of" "name a stand-in in ETHTOOL"
fi

if [ "$command" = undo ]; then
    if undo_all; then exit 0; else exit 1; fi
fi

# 0-3,8 as words.
cpus_of() {
    local range
    [[ $1 =~ ^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$ ]] || return 1
    for range in ${1//,/ }; do
        seq "${range%-*}" "${range#*-}"
    done
}

if [ -z "$cpu_list" ]; then
    cpu_list=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "$root/proc/self/status" 2>/dev/null || true)
fi
cpus_text=$(cpus_of "$cpu_list") || die "no list of processors: $cpu_list" "--cpus 0-3,8"
mapfile -t cpus <<<"$cpus_text"

# mask CPU...: hexadecimal words of 32 bits between commas, as the kernel wants them.
mask() {
    local cpu most=0 text="" word
    for cpu in "$@"; do
        if [ "$cpu" -gt "$most" ]; then most=$cpu; fi
    done
    local -a words=()
    for ((word = 0; word <= most / 32; word++)); do
        words[word]=0
    done
    for cpu in "$@"; do
        words[cpu / 32]=$((words[cpu / 32] | (1 << (cpu % 32))))
    done
    for ((word = most / 32; word >= 0; word--)); do
        if [ -z "$text" ]; then
            text=$(printf '%x' "${words[word]}")
        else
            text+=$(printf ',%08x' "${words[word]}")
        fi
    done
    echo "$text"
}

fine=0

# want WHAT PATH VALUE
want() {
    local now
    if ! now=$(read_value "$2"); then
        echo "unknown $1: /$2 cannot be read"
        return 0
    fi
    if same_value "$2" "$now" "$3"; then
        fine=$((fine + 1))
        return 0
    fi
    differs "$1 /$2" "$now" "$3"
    if [ "$command" = apply ]; then
        write_value "$2" "$now" "$3"
    fi
}

# The numbers of the interrupts of a device's queues, in the order of the queues: those of receive
# queues, and those of send queues that have their own.
interrupts_of() {
    local folder number name
    folder=$root/sys/class/net/$1/device/msi_irqs
    # A virtio device hangs below the PCI device that has the interrupts.
    [ -d "$folder" ] || folder=$root/sys/class/net/$1/device/../msi_irqs
    [ -d "$folder" ] || return 0
    for number in $(find "$folder/" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -n); do
        name=$(awk -v irq="$number:" '$1 == irq { print tolower($NF) }' "$root/proc/interrupts")
        case $name in
        "") ;;
        *config* | *mgmnt* | *async* | *misc* | *control* | *ctrl* | *fdir* | *health* | *admin*) ;;
        *-rx-* | *txrx* | *input*) echo "receive $number $name" ;;
        *output* | *-tx-*) echo "send $number $name" ;;
        *) echo "receive $number $name" ;;
        esac
    done
}

queues_of() {
    find "$root/sys/class/net/$1/queues/" -mindepth 1 -maxdepth 1 -name "$2-*" -printf '%f\n' |
        sort -t - -k 2 -n
}

# every OFFSET STEP: the processors from the OFFSET-th on, each STEP-th.
every() {
    local at
    for ((at = $1; at < ${#cpus[@]}; at += $2)); do
        echo "${cpus[at]}"
    done
}

set_queues() {
    local now
    now=$("${ETHTOOL:-ethtool}" -l "$1" | awk '/^Current/ { now = 1 } now && /^Combined:/ { print $2 }')
    if [ "$now" = "$queues" ]; then
        fine=$((fine + 1))
        return 0
    fi
    differs "queues $1" "${now:-unknown}" "$queues"
    [ "$command" = apply ] || return 0
    if "${ETHTOOL:-ethtool}" -L "$1" combined "$queues"; then
        note queues "$1" "$now" "$queues"
        changed=$((changed + 1))
    else
        failed=$((failed + 1))
    fi
}

place() {
    local device=$1 number kind name index
    local -A at=([receive]=0 [send]=0)
    local -a receive send mine
    [ -z "$queues" ] || set_queues "$device"
    mapfile -t receive < <(queues_of "$device" rx)
    mapfile -t send < <(queues_of "$device" tx)
    while read -r kind number name; do
        [ -n "$kind" ] || continue
        want "$device $name" "proc/irq/$number/smp_affinity_list" "${cpus[at[$kind] % ${#cpus[@]}]}"
        at[$kind]=$((at[$kind] + 1))
    done < <(interrupts_of "$device")
    # The kernel offers no XPS where there is one queue.
    if [ "${#send[@]}" -gt 1 ]; then
        for index in "${!send[@]}"; do
            mapfile -t mine < <(every "$index" "${#send[@]}")
            if [ "${#mine[@]}" -eq 0 ]; then
                mine=("${cpus[index % ${#cpus[@]}]}")
            fi
            want "$device ${send[index]}" "sys/class/net/$device/queues/${send[index]}/xps_cpus" \
                "$(mask "${mine[@]}")"
        done
    fi
    for index in "${!receive[@]}"; do
        local to=0
        if [ "$rps" = on ] || { [ "$rps" = auto ] && [ "${#receive[@]}" -lt "${#cpus[@]}" ]; }; then
            mapfile -t mine < <(every "$index" "${#receive[@]}")
            [ "${#mine[@]}" -eq 0 ] || to=$(mask "${mine[@]}")
        fi
        want "$device ${receive[index]}" \
            "sys/class/net/$device/queues/${receive[index]}/rps_cpus" "$to"
    done
}

if [ ${#devices[@]} -eq 0 ]; then
    for path in "$root"/sys/class/net/*; do
        if [ -e "$path/device" ] && [ "$(cat "$path/operstate" 2>/dev/null)" != down ]; then
            devices+=("${path##*/}")
        fi
    done
fi
[ ${#devices[@]} -gt 0 ] || die "no network device with hardware is up" "--device names one"
for device in "${devices[@]}"; do
    [ -d "$root/sys/class/net/$device/queues" ] || die "no network device $device"
    place "$device"
done

for comm in "$root"/proc/[0-9]*/comm; do
    if [ "$(cat "$comm" 2>/dev/null)" = irqbalance ]; then
        echo "irqbalance runs and will move the interrupts again: stop it, or ban them in its settings"
        break
    fi
done
case $command in
plan) echo "$wrong to change, $fine as wanted; nothing was written" ;;
apply)
    echo "$changed changed, $fine as wanted, $failed failed"
    if [ "$changed" -gt 0 ]; then
        echo "irq.sh undo puts it back, by $undo_file"
    fi
    ;;
esac
[ "$failed" -eq 0 ]
