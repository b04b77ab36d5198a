//! Variables whose value is a mapping: `REGISTRY_STORAGE_DELETE={"enabled":true}` is another spelling of
//! `REGISTRY_STORAGE_DELETE_ENABLED=true`.
//!
//! distribution reads the value of a variable as YAML (`configuration/parser.go`), so a whole branch of its
//! configuration fits into one. Lighter reads JSON, which every YAML reader takes too. Any other text is an
//! error, because an ignored setting could be the one that restricts access.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// The parent that may also be the name of a storage driver. The component has only one, so the name is ignored.
const STORAGE: &str = "REGISTRY_STORAGE";

/// The parent that is also a variable itself: the kind of access control.
const AUTH: &str = "REGISTRY_AUTH";

/// Flattens the variables of an environment: each mapping becomes the variables that it stands for. `known`
/// has the names that can be set; a variable is read as a mapping if one of them begins with its name.
///
/// As in distribution, the longer name decides: a variable goes before a mapping that contains it, and a
/// mapping before one that contains the mapping. Empty variables and members that are `null` count as not
/// set.
///
/// Errs, for the log, with the variable that cannot be read. The text never contains its value, which may
/// be a secret.
pub(super) fn flatten(
    variables: impl IntoIterator<Item = (String, String)>,
    known: &[&str],
) -> Result<Vec<(String, String)>, String> {
    let mut flat = Vec::new();
    let mut mappings = Vec::new();
    for (name, value) in variables.into_iter().filter(|(_, value)| !value.is_empty()) {
        if !is_parent(&name, known) || is_word(&value) && [AUTH, STORAGE].contains(&&*name) {
            flat.push((name, value));
        } else {
            mappings.push((name, value));
        }
    }
    while let Some(longest) =
        (0..mappings.len()).max_by_key(|at| mappings.get(*at).map(|(name, _)| name.len()))
    {
        let (name, mapping) = mappings.swap_remove(longest);
        let mut members = Vec::new();
        expand(&name, &mapping, known, &mut members)?;
        members.retain(|(name, _)| flat.iter().all(|(other, _)| other != name));
        flat.extend(members);
    }
    Ok(flat)
}

/// Whether a variable is the parent of known ones. A known variable is not a parent, except the kind of access
/// control.
fn is_parent(name: &str, known: &[&str]) -> bool {
    // Few names have a `_` there, so checking that first is cheap. This runs for every instance.
    let is_above = |other: &&str| other.as_bytes().get(name.len()) == Some(&b'_') && other.starts_with(name);
    name.starts_with("REGISTRY_") && (name == AUTH || !known.contains(&name)) && known.iter().any(is_above)
}

fn no_mapping(name: &str, known: &[&str]) -> String {
    let below = known.iter().find(|other| other.starts_with(&format!("{name}_"))).unwrap_or(&name);
    format!("{name} is not a JSON object; write it as one, or set {below}")
}

/// Adds the variables that a mapping stands for.
fn expand(parent: &str, json: &str, known: &[&str], flat: &mut Vec<(String, String)>) -> Result<(), String> {
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(json).map_err(|_| no_mapping(parent, known))?;
    if parent == AUTH {
        // Its one member is the kind of access control.
        let mut kinds = members.keys();
        let (Some(kind), None) = (kinds.next(), kinds.next()) else {
            return Err(format!("{AUTH} must have one member, the kind of access control, such as htpasswd"));
        };
        flat.push((AUTH.to_owned(), kind.clone()));
    }
    for (key, value) in members {
        let name = format!("{parent}_{}", key.to_ascii_uppercase());
        let is_known = known.contains(&&*name);
        match value.get() {
            "null" | "\"\"" => {}
            json if json.starts_with('{') && !is_known => expand(&name, json, known, flat)?,
            _ if is_parent(&name, known) => return Err(no_mapping(&name, known)),
            json if json.starts_with(['{', '[']) && is_known => {
                return Err(format!("{name} must be a string"));
            }
            json => flat.push((name, serde_json::from_str(json).unwrap_or_else(|_| json.to_owned()))),
        }
    }
    Ok(())
}

/// Whether a value is one word, such as `filesystem`.
fn is_word(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["REGISTRY_A_B_C", "REGISTRY_A_D", "REGISTRY_AUTH", "REGISTRY_AUTH_X_Y"];

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn flat(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut flat = flatten(pairs(variables), &KNOWN).unwrap();
        flat.sort();
        flat
    }

    #[test]
    fn the_longer_name_decides() {
        let all = [
            ("REGISTRY_A", r#"{"b":{"c":1},"d":"x"}"#),
            ("REGISTRY_A_B", r#"{"c":2}"#),
            ("REGISTRY_A_B_C", "3"),
        ];
        for (set, c) in [(&all[..], "3"), (&all[..2], "2"), (&all[..1], "1")] {
            let expected = pairs(&[("REGISTRY_A_B_C", c), ("REGISTRY_A_D", "x")]);
            assert_eq!(flat(set), expected);
            let reversed: Vec<_> = set.iter().rev().copied().collect();
            assert_eq!(flat(&reversed), expected);
        }
    }

    #[test]
    fn other_variables_stay_as_they_are() {
        let other = [("HOME", "{"), ("REGISTRY_AB", r#"{"c":1}"#), ("REGISTRY_A_D", r#"{"e":1}"#)];
        assert_eq!(flat(&other), pairs(&other));
        assert_eq!(flat(&[("REGISTRY_A", ""), ("REGISTRY_A_B", r#"{"c":null,"C":""}"#)]), []);
        let auth = [("REGISTRY_AUTH", "x"), ("REGISTRY_AUTH_X_Y", "z")];
        assert_eq!(flat(&[("REGISTRY_AUTH", r#"{"x":{"y":"z"}}"#)]), pairs(&auth));
    }

    #[test]
    fn only_json_is_read() {
        for value in ["{b: {c: 1}}", "b: 1", "[]", "{\"b\":1", "b", "true", &"{\"b\":".repeat(10_000)] {
            let error = flatten(pairs(&[("REGISTRY_A", value)]), &KNOWN).unwrap_err();
            assert!(error.starts_with("REGISTRY_A is not a JSON object"), "{value}: {error}");
        }
        let texts = r#" {"b":
            {"c":"1\u0041"}, "d":1.5} "#;
        assert_eq!(
            flat(&[("REGISTRY_A", texts)]),
            pairs(&[("REGISTRY_A_B_C", "1A"), ("REGISTRY_A_D", "1.5")])
        );
    }
}
