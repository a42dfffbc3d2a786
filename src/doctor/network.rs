//! Counters of the network, and the queues and interrupts of its devices, judged.

use std::collections::BTreeSet;

use super::process::workers as workers_of;
use super::settings::{network_memory, quoted, value};
use super::table::Item;
use super::{Verdict, known, list, several};
use crate::report::doctor::Severity;
use crate::sys::{Device, Fact, Queue, Survey, Unknown};

pub(super) fn tcp_memory(item: &Item, survey: &Survey) -> Verdict {
    known(&survey.tcp, |tcp| {
        known(&value(survey, &network_memory()), |bounds| {
            let numbers: Option<Vec<u64>> =
                bounds.split_whitespace().map(|word| word.parse().ok()).collect();
            let Some(&[low, pressure, max]) = numbers.as_deref() else {
                return Verdict::new(Severity::Unknown, format!("tcp_mem is {bounds}"));
            };
            let (pages, times) = (tcp.pages, tcp.memory_pressures);
            let now = format!(
                "{pages} pages, pressure from {pressure}, at most {max}; under pressure {times} \
                 times since boot"
            );
            let severity = match (pages, times) {
                (pages, _) if pages >= max => Severity::Serious,
                (pages, 0) if pages < pressure => return Verdict::fine(now),
                _ => item.severity,
            };
            let twice = [low, pressure, max].map(|number| number.saturating_mul(2).to_string());
            let kept = [low, pressure, max].map(|number| number.to_string());
            let subjects = (quoted(&twice.join(" ")), quoted(&kept.join(" ")));
            Verdict { subjects, ..Verdict::new(severity, now) }
        })
    })
}

pub(super) fn accept_overflows(item: &Item, survey: &Survey) -> Verdict {
    known(&survey.tcp, |tcp| {
        let (overflows, drops) = (tcp.listen_overflows, tcp.listen_drops);
        let now = format!("{overflows} ListenOverflows, {drops} ListenDrops");
        if overflows + drops == 0 { Verdict::fine(now) } else { Verdict::bad(item, now) }
    })
}

/// A table of connections is nearly full from four fifths on.
const FULL: (u64, u64) = (4, 5);

pub(super) fn conntrack(item: &Item, survey: &Survey) -> Verdict {
    known(&survey.tracked, |tracked| {
        let Some(tracked) = tracked.filter(|tracked| tracked.count > 0) else {
            return Verdict::fine("no connection is tracked");
        };
        let (count, max) = (tracked.count, tracked.max);
        let is_full = count.saturating_mul(FULL.1) >= max.saturating_mul(FULL.0);
        let severity = if is_full { Severity::Serious } else { item.severity };
        let subjects = (max.saturating_mul(2).to_string(), max.to_string());
        let now = format!("{count} connections tracked, at most {max}");
        Verdict { subjects, ..Verdict::new(severity, now) }
    })
}

/// What `check` says of each device: nothing where it is as it should be, or what is wrong.
fn of_devices(
    item: &Item,
    survey: &Survey,
    fine: &str,
    check: impl Fn(&Device, &[usize], usize) -> Fact<Option<String>>,
) -> Verdict {
    let unknown = |why: &str| Verdict::new(Severity::Unknown, why);
    let (Ok(allowed), Some(workers)) = (&survey.allowed, workers_of(survey)) else {
        return unknown("the processors of this process are not known");
    };
    known(&survey.devices, |devices| {
        if devices.is_empty() {
            let why = "no network device with hardware is up where this process looks (container?)";
            return unknown(why);
        }
        let mut wrong: Vec<(&str, String)> = Vec::new();
        for device in devices {
            match check(device, allowed, workers) {
                Ok(None) => {}
                Ok(Some(what)) => wrong.push((&device.name, format!("{}: {what}", device.name))),
                Err(why) => return unknown(&format!("{}: {why}", device.name)),
            }
        }
        let Some((first, _)) = wrong.first() else {
            let names: Vec<_> = devices.iter().map(|device| device.name.as_str()).collect();
            return Verdict::fine(format!("{fine} ({})", names.join(", ")));
        };
        let what: Vec<_> = wrong.iter().map(|(_, what)| what.as_str()).collect();
        Verdict::bad(item, what.join("; ")).about(*first)
    })
}

pub(super) fn nic_queues(item: &Item, survey: &Survey) -> Verdict {
    of_devices(item, survey, "a receive queue for each worker", |device, _, count| {
        let queues = device.receive.len();
        let what =
            || format!("{} for {}", several(queues, "receive queue"), several(count, "worker"));
        Ok((queues < count).then(what))
    })
}

pub(super) fn irq_affinity(item: &Item, survey: &Survey) -> Verdict {
    of_devices(item, survey, "the interrupts come to different processors", |device, cpus, _| {
        let count = device.interrupts.len();
        if count == 0 {
            return Err(Unknown("its interrupts are not to be told from others".to_owned()));
        }
        let used = interrupted(device)?;
        let what = format!("{} on {}", several(count, "interrupt"), list(&used));
        Ok((used.len() < count.min(cpus.len())).then_some(what))
    })
}

/// The processors to which the interrupts of a device come.
fn interrupted(device: &Device) -> Fact<Vec<usize>> {
    let mut used = BTreeSet::new();
    for interrupt in &device.interrupts {
        used.extend(interrupt.cpus.clone()?);
    }
    Ok(used.into_iter().collect())
}

pub(super) fn irqbalance(item: &Item, survey: &Survey) -> Verdict {
    known(&survey.has_irqbalance, |runs| match runs {
        true => Verdict::bad(item, "irqbalance runs"),
        false => Verdict::fine("irqbalance does not run"),
    })
}

/// The processors of all masks together.
fn masks(queues: &[Queue]) -> Fact<BTreeSet<usize>> {
    let mut cpus = BTreeSet::new();
    for queue in queues {
        cpus.extend(queue.cpus.clone()?);
    }
    Ok(cpus)
}

pub(super) fn rps(item: &Item, survey: &Survey) -> Verdict {
    of_devices(item, survey, "as the queues need it", |device, allowed, count| {
        let given = masks(&device.receive)?;
        let shown: Vec<_> = given.iter().copied().collect();
        if device.receive.len() >= count {
            let what = format!("a queue for each worker, and RPS to {}", list(&shown));
            // With one processor there is nobody to give a packet to.
            return Ok((!given.is_empty() && count > 1).then_some(what));
        }
        // Where an interrupt comes to, packets are handled without RPS.
        let taken = interrupted(device)?;
        let mut missing = allowed.to_vec();
        missing.retain(|cpu| !given.contains(cpu) && !taken.contains(cpu));
        let queues = several(device.receive.len(), "receive queue");
        let what =
            format!("{queues} for {}, none for CPU {}", several(count, "worker"), list(&missing));
        Ok((!missing.is_empty()).then_some(what))
    })
}

pub(super) fn xps(item: &Item, survey: &Survey) -> Verdict {
    of_devices(item, survey, "as the queues need it", |device, allowed, _| {
        // The kernel offers no mask where there is one queue.
        if device.send.len() < 2 {
            return Ok(None);
        }
        let given = masks(&device.send)?;
        let missing: Vec<_> = allowed.iter().copied().filter(|cpu| !given.contains(cpu)).collect();
        let what = || format!("{} for no queue in particular", list(&missing));
        Ok((!missing.is_empty()).then(|| format!("CPU {}", what())))
    })
}
