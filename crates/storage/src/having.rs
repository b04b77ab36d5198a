//! Names that have a value below them, found by listing the names and looking for each value.

use crate::{Result, check_key};

/// A name directly under a prefix, and how many bytes the value below it has.
pub type Having = (String, u64);

/// What lists at most so many names, in byte order, after one.
type Names<'a> = dyn Fn(Option<&str>, u32) -> Result<Vec<String>> + 'a;

/// Lists what [`list_having`](crate::Storage::list_having) lists, given what lists names after one and what returns the
/// size of the value below a name, if it is there. It is asked for the values of the page alone.
pub fn having(
    after: Option<&str>,
    limit: u32,
    names: &Names,
    size: &dyn Fn(&str) -> Result<Option<u64>>,
) -> Result<Vec<Having>> {
    let (mut found, mut after) = (Vec::new(), after.map(str::to_owned));
    let mut wanted = limit;
    while wanted > 0 {
        let listed = names(after.as_deref(), wanted)?;
        let is_last = listed.len() < wanted as usize;
        after = listed.last().cloned();
        for name in listed {
            // Nothing that the registry has stored is below another name.
            let size = if check_key(&name).is_ok() { size(&name)? } else { None };
            if let Some(size) = size {
                found.push((name, size));
                wanted -= 1;
            }
        }
        if is_last {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::having;

    #[test]
    fn names_without_a_value_are_passed_over() {
        let all: Vec<String> =
            (0..100).map(|number| format!("{number:02}")).chain(["a b".to_owned()]).collect();
        let lists = Cell::new(0);
        let names = |after: Option<&str>, limit: u32| {
            lists.set(lists.get() + 1);
            let later = all.iter().filter(|name| after.is_none_or(|after| name.as_str() > after));
            Ok(later.take(limit as usize).cloned().collect())
        };
        let even = |name: &str| Ok(name.ends_with(['0', '2', '4', '6', '8']).then_some(7));
        let found = having(Some("09"), 3, &names, &even).unwrap();
        assert_eq!(found, [("10".to_owned(), 7), ("12".to_owned(), 7), ("14".to_owned(), 7)]);
        assert_eq!(having(None, u32::MAX, &names, &even).unwrap().len(), 50);
        assert_eq!(having(Some("97"), 2, &names, &even).unwrap(), [("98".to_owned(), 7)]);
        lists.set(0);
        assert_eq!(having(None, 0, &names, &even).unwrap(), []);
        assert_eq!(lists.get(), 0);
    }
}
