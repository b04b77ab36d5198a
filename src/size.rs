//! Sizes, as people read them.

/// Writes a number of bytes: as it is below one unit, and otherwise to a tenth, cut off. `units` are the names of the units,
/// each `base` of the one before.
pub fn in_units(bytes: u64, base: u64, units: &[&str]) -> String {
    if bytes < base {
        return [&bytes.to_string(), " B"].concat();
    }
    let mut tenths = bytes / base * 10 + bytes % base * 10 / base;
    let mut units = units.iter().peekable();
    while tenths >= base * 10 && units.len() > 1 {
        tenths /= base;
        units.next();
    }
    let unit = units.next().unwrap_or(&"");
    [&(tenths / 10).to_string(), ".", &(tenths % 10).to_string(), " ", unit].concat()
}
