//! How a value should be, as the table writes it, and what to write where it is not so.
//! `tuning/tune.sh` judges by the same words; `tests/tuning.rs` holds the two together.

/// A rule for a value of one or several words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A number, and no smaller one.
    AtLeast(u64),
    /// A number, and no larger one.
    AtMost(u64),
    /// These words.
    Is(String),
    /// One of these words; the first is the one to write.
    OneOf(Vec<String>),
    /// Three numbers, the third of which is no smaller than this.
    ThirdAtLeast(u64),
}

impl Rule {
    /// A rule as the table writes it.
    pub fn parse(text: &str) -> Option<Rule> {
        let number = |text: &str| text.parse().ok();
        if let Some(rest) = text.strip_prefix("third at least ") {
            return Some(Rule::ThirdAtLeast(number(rest)?));
        }
        if let Some(rest) = text.strip_prefix("at least ") {
            return Some(Rule::AtLeast(number(rest)?));
        }
        if let Some(rest) = text.strip_prefix("at most ") {
            return Some(Rule::AtMost(number(rest)?));
        }
        if let Some(rest) = text.strip_prefix("one of ") {
            return Some(Rule::OneOf(rest.split(' ').map(str::to_owned).collect()));
        }
        Some(Rule::Is(text.strip_prefix("is ")?.to_owned()))
    }

    /// Whether `value` is so; `None` if it has not the form that the rule is about.
    pub fn holds(&self, value: &str) -> Option<bool> {
        let number = |text: Option<&str>| text?.parse::<u64>().ok();
        let mut words = value.split_whitespace();
        Some(match self {
            Rule::AtLeast(least) => number(Some(value))? >= *least,
            Rule::AtMost(most) => number(Some(value))? <= *most,
            Rule::Is(wanted) => words.eq(wanted.split(' ')),
            Rule::OneOf(wanted) => wanted.iter().any(|wanted| wanted == value),
            Rule::ThirdAtLeast(least) => number(words.nth(2))? >= *least,
        })
    }

    /// What to write where `value` is not so.
    pub fn target(&self, value: &str) -> String {
        match self {
            Rule::AtLeast(number) | Rule::AtMost(number) => number.to_string(),
            Rule::Is(words) => words.clone(),
            Rule::OneOf(words) => words.first().cloned().unwrap_or_default(),
            Rule::ThirdAtLeast(number) => {
                let kept = value.split_whitespace().take(2);
                kept.map(str::to_owned).chain([number.to_string()]).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_says_what_holds_and_what_to_write() {
        for (rule, good, bad, target) in [
            ("at least 10", "10", "9", "10"),
            ("at most 10", "10", "11", "10"),
            ("is 1024 65535", "1024\t65535", "32768\t60999", "1024 65535"),
            ("one of a b", "b", "c", "a"),
            ("third at least 10", "1\t2\t10", "1\t2\t9", "1 2 10"),
        ] {
            let rule = Rule::parse(rule).unwrap();
            assert_eq!(rule.holds(good), Some(true), "{rule:?}");
            assert_eq!(rule.holds(bad), Some(false), "{rule:?}");
            assert_eq!(rule.target(bad), target, "{rule:?}");
            assert_eq!(rule.holds(&rule.target(bad)), Some(true), "{rule:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_not_judged() {
        assert_eq!(Rule::parse("at least a few"), None);
        assert_eq!(Rule::parse("good"), None);
        assert_eq!(Rule::AtLeast(1).holds("many"), None);
        assert_eq!(Rule::ThirdAtLeast(1).holds("1 2"), None);
    }
}
