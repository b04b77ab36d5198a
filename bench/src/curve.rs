//! Curves, as SVG.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const MARGIN: f64 = 64.0;
const COLOURS: [&str; 4] = ["#0a7", "#d55", "#57d", "#a80"];

/// A picture of figures that depend on a size, both on logarithmic scales: a cost that does not grow is a level line.
pub(crate) struct Picture<'a> {
    /// The title.
    pub(crate) title: &'a str,
    /// The label of the horizontal axis.
    pub(crate) across: &'a str,
    /// The label of the vertical axis.
    pub(crate) up: &'a str,
    /// The curves: each name, with sizes and figures.
    pub(crate) curves: Vec<(String, Vec<(f64, f64)>)>,
}

impl Picture<'_> {
    /// Draws the picture.
    pub(crate) fn svg(&self) -> String {
        let points = || self.curves.iter().flat_map(|(_, points)| points).copied();
        let x = Scale::over(points().map(|(x, _)| x), MARGIN, WIDTH - MARGIN / 2.0);
        let y = Scale::over(points().map(|(_, y)| y), HEIGHT - MARGIN, MARGIN);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text x=\"{MARGIN}\" y=\"24\" font-size=\"16\">{}</text>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n\
             <text x=\"{MARGIN}\" y=\"44\">{}</text>\n",
            self.title,
            WIDTH - MARGIN / 2.0,
            HEIGHT - 16.0,
            self.across,
            self.up
        );
        for tick in x.ticks() {
            let at = x.place(tick);
            let bottom = HEIGHT - MARGIN;
            _ = writeln!(
                svg,
                "<path d=\"M{at:.1} {MARGIN}V{bottom}\" stroke=\"#ddd\"/>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 18.0,
                tick
            );
        }
        for tick in y.ticks() {
            let at = y.place(tick);
            _ = writeln!(
                svg,
                "<path d=\"M{MARGIN} {at:.1}H{}\" stroke=\"#ddd\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - MARGIN / 2.0,
                MARGIN - 6.0,
                at + 4.0,
                tick
            );
        }
        for ((name, points), colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            let line: Vec<String> =
                points.iter().map(|(px, py)| format!("{:.1},{:.1}", x.place(*px), y.place(*py))).collect();
            let (end_x, end_y) = points.last().map_or((0.0, 0.0), |(px, py)| (x.place(*px), y.place(*py)));
            _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\" text-anchor=\"end\">{name}</text>",
                line.join(" "),
                end_x,
                end_y - 8.0
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// A logarithmic scale over whole powers of ten.
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn over(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let least = values.clone().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        let most = values.fold(f64::MIN_POSITIVE, f64::max);
        let low = if least.is_finite() { least.log10().floor() } else { 0.0 };
        Self { low, high: most.log10().ceil().max(low + 1.0), from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let part = (value.max(f64::MIN_POSITIVE).log10() - self.low) / (self.high - self.low);
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let (low, count) = (self.low, (self.high - self.low) as u32);
        (0..=count).map(move |tick| 10_f64.powf(low + f64::from(tick)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Picture, Scale};

    #[test]
    fn a_scale_covers_whole_powers_of_ten() {
        let scale = Scale::over([3.0, 50.0].into_iter(), 0.0, 100.0);
        assert_eq!(scale.ticks().collect::<Vec<_>>(), [1.0, 10.0, 100.0]);
        assert_eq!((scale.place(1.0), scale.place(10.0), scale.place(100.0)), (0.0, 50.0, 100.0));
    }

    #[test]
    fn every_curve_is_drawn() {
        let curves = vec![("a".into(), vec![(1.0, 2.0), (10.0, 2.0)]), ("b".into(), vec![(1.0, 5.0)])];
        let svg = Picture { title: "t", across: "x", up: "y", curves }.svg();
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    }
}
