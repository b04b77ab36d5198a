//! How far a collection is, as it is stored for the next step: perhaps in another process, beside another collector. One
//! value, so whichever is stored last is whole.
//!
//! Lines of text: the time, the phase, the range and the part; the counts; the repository; the name there; and a line for each
//! run.

use super::place::Place;
use super::report::{Phase, Report};

/// How far a collection is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// When this was stored, in seconds since 1970.
    pub(super) stored: u64,
    /// The range of digests.
    pub(super) range: (u64, u64),
    /// Where it is in its phase.
    pub(super) place: Place,
    /// What it has done.
    pub(super) report: Report,
    /// The runs of what is referenced.
    pub(super) runs: Vec<String>,
}

impl Progress {
    /// The beginning.
    pub(super) fn new() -> Self {
        Self { range: (0, u64::MAX), ..Self::default() }
    }

    /// As text.
    pub(super) fn write(&mut self) -> String {
        let Place { repository, is_second, after, is_end, .. } = &self.place;
        let phase = Phase::ALL.iter().position(|phase| *phase == self.report.phase).unwrap_or_default();
        let mut numbers = vec![
            self.stored,
            phase as u64,
            self.range.0,
            self.range.1,
            (*is_second).into(),
            (*is_end).into(),
        ];
        numbers.extend(self.report.counts().map(|count| *count));
        let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
        let mut lines = vec![numbers.join(" "), repository.clone(), after.clone().unwrap_or_default()];
        lines.extend(self.runs.iter().cloned());
        lines.join("\n")
    }

    /// From text. Returns `None` if it is not whole.
    pub(super) fn read(stored: &[u8]) -> Option<Self> {
        let mut lines = str::from_utf8(stored).ok()?.split('\n');
        let mut numbers = lines.next()?.split(' ').map(|number| number.parse::<u64>().ok());
        let mut number = || numbers.next().flatten();
        let mut read = Self { stored: number()?, ..Self::default() };
        read.report.phase = *Phase::ALL.get(usize::try_from(number()?).ok()?)?;
        read.range = (number()?, number()?);
        (read.place.is_second, read.place.is_end) = (number()? != 0, number()? != 0);
        for count in read.report.counts() {
            *count = number()?;
        }
        lines.next()?.clone_into(&mut read.place.repository);
        read.place.after = Some(lines.next()?.to_owned()).filter(|after| !after.is_empty());
        read.runs = lines.map(str::to_owned).collect();
        Some(read)
    }
}
