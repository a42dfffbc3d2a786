//! Line plots as SVG, for a page that is complete in itself. Knows nothing of what is plotted;
//! colours are the page's (`--s0` to `--s3` for the lines).

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures are shown with a few digits, and none is negative"
)]

use std::fmt::Write;

/// One line of a plot.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it shows.
    pub name: String,
    /// In the order of x.
    pub points: Vec<(f64, f64)>,
}

/// How values lie along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly, from 0.
    Linear,
    /// By powers of ten; values below its begin count as that.
    Log,
}

/// An axis and its marks.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it measures.
    pub title: String,
    /// How values lie along it.
    pub scale: Scale,
    /// Where it is marked, and how.
    pub marks: Vec<(f64, String)>,
    /// Its ends, the first below the second.
    pub range: (f64, f64),
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 44.0;

impl Axis {
    /// An axis from 0 that holds values up to `most`, marked in steps that people count in.
    pub fn linear(title: &str, most: f64, name: impl Fn(f64) -> String) -> Axis {
        Axis::new(title, Scale::Linear, linear(most), name)
    }

    /// An axis from about `least` to about `most`, marked at powers of ten.
    pub fn log(title: &str, least: f64, most: f64, name: impl Fn(f64) -> String) -> Axis {
        Axis::new(title, Scale::Log, logarithmic(least, most), name)
    }

    fn new(
        title: &str,
        scale: Scale,
        (range, marked): ((f64, f64), Vec<f64>),
        name: impl Fn(f64) -> String,
    ) -> Axis {
        let marks = marked.into_iter().map(|value| (value, name(value))).collect();
        Axis { title: title.to_owned(), scale, marks, range }
    }

    /// Where a value lies, from 0 to 1.
    fn part(&self, value: f64) -> f64 {
        let (least, most) = self.range;
        let part = match self.scale {
            Scale::Linear => (value - least) / (most - least),
            Scale::Log => (value.max(least) / least).log10() / (most / least).log10(),
        };
        part.clamp(0.0, 1.0)
    }
}

/// Steps of 1, 2 or 5 times a power of ten, about five of them.
fn linear(most: f64) -> ((f64, f64), Vec<f64>) {
    let most = if most > 0.0 { most } else { 1.0 };
    let power = 10_f64.powf((most / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let step = step.into_iter().find(|step| most / step <= 5.0).unwrap_or(most);
    let count = (most / step).ceil();
    let marks = (0..=count as u32).map(|number| f64::from(number) * step).collect();
    ((0.0, count * step), marks)
}

/// Powers of ten.
fn logarithmic(least: f64, most: f64) -> ((f64, f64), Vec<f64>) {
    let low = least.max(f64::MIN_POSITIVE).log10().floor();
    let high = most.max(least).log10().ceil().max(low + 1.0);
    let marks = (low as i32..=high as i32).map(|power| 10_f64.powi(power)).collect();
    ((10_f64.powf(low), 10_f64.powf(high)), marks)
}

/// A plot of these lines; every point has its values as a title.
pub fn plot(title: &str, x: &Axis, y: &Axis, lines: &[Line]) -> String {
    let mut svg = format!(
        "<figure><figcaption>{}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"{}\">\n",
        escape(title),
        escape(title)
    );
    let at_x = |value: f64| LEFT + x.part(value) * (WIDTH - LEFT - RIGHT);
    let at_y = |value: f64| HEIGHT - BOTTOM - y.part(value) * (HEIGHT - TOP - BOTTOM);
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    // Writing to a string cannot fail, here and below.
    for (value, name) in &y.marks {
        let (at, name) = (at_y(*value), escape(name));
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/>\
             <text class=\"mark\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
            LEFT - 8.0,
            at + 4.0
        );
    }
    for (value, name) in &x.marks {
        let (at, name) = (at_x(*value), escape(name));
        // The last one would stand over the edge.
        let anchor = if at + 1.0 > right { "end" } else { "middle" };
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{at:.1} {TOP}V{bottom}\"/>\
             <text class=\"mark\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{name}</text>",
            bottom + 17.0
        );
    }
    let _ = writeln!(
        svg,
        "<text class=\"axis\" x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
        HEIGHT - 8.0,
        escape(&x.title)
    );
    for (number, line) in lines.iter().enumerate() {
        let mut path = String::new();
        for (index, (px, py)) in line.points.iter().enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", at_x(*px), at_y(*py));
        }
        let name = escape(&line.name);
        let _ = writeln!(
            svg,
            "<path class=\"line s{number}\" d=\"{path}\"><title>{name}</title></path>"
        );
    }
    svg.push_str("</svg>\n");
    svg.push_str(&legend(&y.title, lines));
    svg.push_str("</figure>\n");
    svg
}

fn legend(axis: &str, lines: &[Line]) -> String {
    let mut text = format!("<p class=\"legend\"><span>{}</span>", escape(axis));
    for (number, line) in lines.iter().enumerate() {
        let _ = write!(text, "<span><i class=\"s{number}\"></i>{}</span>", escape(&line.name));
    }
    text + "</p>\n"
}

/// Text as it stands in HTML and SVG.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_axes_are_marked_in_round_steps() {
        for (most, end, marks) in
            [(0.0, 1.0, 6), (1.0, 1.0, 6), (7.0, 8.0, 5), (47_000.0, 50_000.0, 6), (0.3, 0.3, 4)]
        {
            let axis = Axis::linear("", most, |value| value.to_string());
            assert!((axis.range.1 - end).abs() < 1e-9, "{most}: {:?}", axis.range);
            assert_eq!(axis.marks.len(), marks, "{most}: {:?}", axis.marks);
        }
    }

    #[test]
    fn logarithmic_axes_are_marked_at_powers_of_ten() {
        let axis = Axis::log("", 25.0, 3_000.0, |value| value.to_string());
        assert_eq!(axis.range, (10.0, 10_000.0));
        assert!((axis.part(1_000.0) - 2.0 / 3.0).abs() < 1e-9);
        assert!(axis.part(1.0).abs() < f64::EPSILON, "below its begin is at it");
    }

    #[test]
    fn a_plot_holds_its_lines_and_no_markup_of_others() {
        let axis = Axis::linear("x", 10.0, |value| value.to_string());
        let line = Line { name: "a<b&\"c\"".to_owned(), points: vec![(0.0, 0.0), (10.0, 10.0)] };
        let svg = plot("<script>", &axis, &axis, &[line]);
        assert!(svg.contains("a&lt;b&amp;&quot;c&quot;") && !svg.contains("<script>"), "{svg}");
        assert!(svg.contains("d=\"M78.0 256.0L744.0 14.0\""), "{svg}");
    }
}
