//! Choices between what may have happened: all of them one after the other, where they are few, else some.

/// The choices of one outcome.
#[derive(Clone, Default)]
pub(crate) struct Choices {
    made: Vec<(usize, usize)>,
    next: usize,
    how: How,
}

#[derive(Clone, Default)]
enum How {
    /// The first, where it is not said otherwise.
    #[default]
    First,
    /// The last one each time.
    Last,
    /// At random, from this state on.
    Random(u64),
}

impl Choices {
    /// Chooses one of so many.
    pub(crate) fn of(&mut self, many: usize) -> usize {
        if let Some((choice, _)) = self.made.get(self.next) {
            self.next += 1;
            return *choice;
        }
        let choice = match &mut self.how {
            How::First => 0,
            How::Last => many - 1,
            How::Random(state) => {
                // Knuth's generator, of which the upper bits are good enough.
                *state =
                    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (*state >> 33) as usize % many
            }
        };
        self.made.push((choice, many));
        self.next += 1;
        choice
    }
}

/// Has something done for every outcome, if there are at most `all`; else for the first ones, for the one in which
/// everything happened, and for as many at random.
pub(crate) fn each(all: usize, seed: u64, mut done: impl FnMut(&mut Choices)) {
    let mut choices = Choices::default();
    for _ in 0..all {
        choices.next = 0;
        done(&mut choices);
        while choices.made.last().is_some_and(|(choice, many)| choice + 1 == *many) {
            choices.made.pop();
        }
        match choices.made.last_mut() {
            Some((choice, _)) => *choice += 1,
            None => return,
        }
    }
    done(&mut Choices { how: How::Last, ..Choices::default() });
    for number in 0..all as u64 {
        done(&mut Choices { how: How::Random(seed ^ number << 20), ..Choices::default() });
    }
}
