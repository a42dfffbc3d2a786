//! Cores, nodes, idle states and weaknesses of the processors, judged.

use super::table::Item;
use super::{Verdict, known, list, several};
use crate::sys::Survey;

pub(super) fn smt(item: &Item, survey: &Survey) -> Verdict {
    known(&survey.allowed, |allowed| {
        known(&survey.cores, |cores| {
            let ours = |core: &Vec<usize>| -> Vec<usize> {
                core.iter().copied().filter(|cpu| allowed.contains(cpu)).collect()
            };
            let cores: Vec<_> = cores.iter().map(ours).filter(|core| !core.is_empty()).collect();
            let shared: Vec<_> = cores.iter().filter(|core| core.len() > 1).collect();
            if shared.is_empty() {
                return Verdict::fine("each allowed processor has its core for itself");
            }
            let count = several(shared.len(), "core");
            let now =
                format!("{count} with several allowed processors, such as {}", list(shared[0]));
            let mut first: Vec<_> = cores.iter().map(|core| core[0]).collect();
            first.sort_unstable();
            Verdict::bad(item, now).about(list(&first))
        })
    })
}

pub(super) fn numa(item: &Item, survey: &Survey) -> Verdict {
    known(&survey.allowed, |allowed| {
        known(&survey.nodes, |nodes| {
            let is_ours = |node: &&Vec<usize>| node.iter().any(|cpu| allowed.contains(cpu));
            match nodes.iter().filter(is_ours).count() {
                0 | 1 => Verdict::fine("one node"),
                count => Verdict::bad(item, format!("allowed processors on {count} nodes")),
            }
        })
    })
}

/// Microseconds to leave an idle state that nobody feels: what a sleeping worker's wake takes.
const LATENCY_US_MAX: u64 = 20;

pub(super) fn idle_states(item: &Item, survey: &Survey) -> Verdict {
    known(&survey.idle_states, |states| {
        let slow = states.iter().filter(|state| state.is_on && state.latency_us > LATENCY_US_MAX);
        let slow: Vec<_> =
            slow.map(|state| format!("{} {} µs", state.name, state.latency_us)).collect();
        let names: Vec<_> = states.iter().map(|state| state.name.as_str()).collect();
        if slow.is_empty() {
            return Verdict::fine(format!("none of {} is slow to leave", names.join(", ")));
        }
        Verdict::bad(item, slow.join(", "))
    })
}

pub(super) fn mitigations(item: &Item, survey: &Survey) -> Verdict {
    known(&survey.weaknesses, |weaknesses| {
        let open = weaknesses.iter().filter(|(_, state)| state.starts_with("Vulnerable"));
        let open: Vec<_> = open.map(|(name, _)| name.as_str()).collect();
        let mitigated = weaknesses.iter().filter(|(_, state)| state.starts_with("Mitigation"));
        let mitigated = mitigated.count();
        if open.is_empty() {
            return Verdict::fine(format!("{mitigated} mitigated, none open"));
        }
        Verdict::bad(item, format!("vulnerable: {}", open.join(", ")))
    })
}
