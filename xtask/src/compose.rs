//! Composition: the registry and one storage driver become one component.

use anyhow::{Context, Result, ensure};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions};

use crate::sections::without_names;

/// The package of the interfaces between the registry and a driver.
pub(crate) const STORAGE: &str = "lighter:storage/";

/// The package of the interfaces between the key-value driver and a store.
pub(crate) const KEY_VALUE_STORE: &str = "wasi:keyvalue/";

/// The interface that every host calls.
const HANDLER: &str = "wasi:http/incoming-handler@";

/// Plugs the driver's exports into the registry's imports: all interfaces of one package, and any other interfaces of WASI
/// that the driver exports, such as variables.
///
/// Unlike `wac plug`, which skips what does not fit and leaves the failure to the host, this names
/// each misfit, and makes sure that nothing but WASI is left to import.
pub(crate) fn compose(registry: &[u8], driver: &[u8], met_at: &str) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let registry = package("lighter:registry", registry, &mut graph)?;
    let driver = package("lighter:driver", driver, &mut graph)?;
    let (imports, exports) = world(&graph, &registry);
    let exports_of_driver = world(&graph, &driver).1;
    let plugs = plugs(&imports, &exports_of_driver, met_at)?;
    let handler = handler(&exports)?;

    let registry = graph.register_package(registry)?;
    let driver = graph.register_package(driver)?;
    let registry = graph.instantiate(registry);
    let driver = graph.instantiate(driver);
    for name in plugs {
        let export = graph.alias_instance_export(driver, name)?;
        graph.set_instantiation_argument(registry, name, export)?;
    }
    let export = graph.alias_instance_export(registry, handler)?;
    graph.export(export, handler)?;
    let component = graph.encode(EncodeOptions::default()).context("cannot encode the composition")?;

    check(&component)?;
    Ok(component)
}

/// Returns the shipped form of a component that was not composed. It imports only WASI, too.
pub(crate) fn ship(component: &[u8]) -> Result<Vec<u8>> {
    let component = without_names(component)?;
    check(&component)?;
    Ok(component)
}

/// Fails unless a component, parsed again from its bytes, imports only WASI and exports the HTTP handler.
fn check(component: &[u8]) -> Result<()> {
    let mut graph = CompositionGraph::new();
    let package = package("lighter:shipped", component, &mut graph)?;
    let (imports, exports) = world(&graph, &package);
    handler(&exports)?;
    let foreign: Vec<_> =
        imports.iter().map(String::as_str).filter(|name| !name.starts_with("wasi:")).collect();
    ensure!(foreign.is_empty(), "the component imports more than WASI: {}", foreign.join(", "));
    Ok(())
}

fn package(name: &str, component: &[u8], graph: &mut CompositionGraph) -> Result<Package> {
    without_names(component)
        .and_then(|component| Package::from_bytes(name, None, component, graph.types_mut()))
        .with_context(|| format!("{name} cannot be composed"))
}

/// Returns the names of a package's imports and of its exports.
fn world(graph: &CompositionGraph, package: &Package) -> (Vec<String>, Vec<String>) {
    let world = &graph.types()[package.ty()];
    (world.imports.keys().cloned().collect(), world.exports.keys().cloned().collect())
}

/// Returns the registry's imports of a package, all of which the driver must export, and those of WASI that
/// the driver exports, all of which the registry must import.
fn plugs<'a>(imports: &'a [String], exports: &'a [String], package: &str) -> Result<Vec<&'a str>> {
    let mut wanted: Vec<_> =
        imports.iter().map(String::as_str).filter(|name| name.starts_with(package)).collect();
    ensure!(!wanted.is_empty(), "the registry imports nothing from {package}");
    let missing: Vec<_> =
        wanted.iter().copied().filter(|name| !exports.iter().any(|export| export == name)).collect();
    ensure!(missing.is_empty(), "the driver does not export {}", missing.join(", "));
    let more: Vec<_> = exports
        .iter()
        .map(String::as_str)
        .filter(|name| name.starts_with("wasi:") && !wanted.contains(name))
        .collect();
    let idle: Vec<_> =
        more.iter().copied().filter(|name| !imports.iter().any(|import| import == name)).collect();
    ensure!(idle.is_empty(), "the registry does not import {}", idle.join(", "));
    wanted.extend(more);
    Ok(wanted)
}

/// Returns the full name of the HTTP handler among a component's exports.
fn handler(exports: &[String]) -> Result<&str> {
    let found = exports.iter().find(|name| name.starts_with(HANDLER));
    found.map(String::as_str).with_context(|| format!("{HANDLER}* is not exported"))
}

#[cfg(test)]
mod tests {
    use super::{CompositionGraph, STORAGE, check, package, world};

    /// The type of a storage interface with one function.
    const STORE: &str = r#"(export "size" (func (result u64)))"#;

    fn compose(registry: &[u8], driver: &[u8]) -> anyhow::Result<Vec<u8>> {
        super::compose(registry, driver, STORAGE)
    }

    fn component(text: &str) -> Vec<u8> {
        wat::parse_str(format!("(component {text})")).unwrap()
    }

    /// A registry with further imports, which answers requests with what its storage has.
    fn registry(imports: &str) -> Vec<u8> {
        component(&format!(
            r#"{imports}
            (import "lighter:storage/blobs@0.2.0" (instance $blobs {STORE}))
            (alias export $blobs "size" (func $size))
            (instance $handler (export "handle" (func $size)))
            (export "wasi:http/incoming-handler@0.2.12" (instance $handler))"#
        ))
    }

    /// A driver whose one function has the given result.
    fn driver(imports: &str, interface: &str, result: &str) -> Vec<u8> {
        component(&format!(
            r#"{imports}
            (core module $m (func (export "size") (result {core}) ({core}.const 7)))
            (core instance $i (instantiate $m))
            (func $size (result {result}) (canon lift (core func $i "size")))
            (instance $store (export "size" (func $size)))
            (export "{interface}" (instance $store))"#,
            core = if result == "u64" { "i64" } else { "i32" },
        ))
    }

    fn failure(registry: &[u8], driver: &[u8]) -> String {
        format!("{:#}", compose(registry, driver).unwrap_err())
    }

    #[test]
    fn a_driver_that_fits_leaves_only_wasi() {
        let clock = r#"(import "wasi:clocks/wall-clock@0.2.12" (instance))"#;
        let composed =
            compose(&registry(clock), &driver(clock, "lighter:storage/blobs@0.2.0", "u64")).unwrap();
        check(&composed).unwrap();
    }

    #[test]
    fn what_the_driver_gives_of_wasi_is_plugged_too() {
        let config = r#"(import "wasi:config/store@0.2.0" (instance))"#;
        let given = r#"(instance $c) (export "wasi:config/store@0.2.0" (instance $c))"#;
        let driver = driver(given, "lighter:storage/blobs@0.2.0", "u64");
        let composed = compose(&registry(config), &driver).unwrap();
        let mut graph = CompositionGraph::new();
        let composed = package("lighter:composed", &composed, &mut graph).unwrap();
        assert_eq!(world(&graph, &composed).0, [""; 0]);
        assert!(failure(&registry(""), &driver).contains("does not import wasi:config/store@0.2.0"));
    }

    #[test]
    fn what_the_driver_lacks_is_named() {
        let other = driver("", "lighter:storage/key-value@0.2.0", "u64");
        assert!(failure(&registry(""), &other).contains("does not export lighter:storage/blobs@0.2.0"));
    }

    #[test]
    fn another_version_is_another_interface() {
        let newer = driver("", "lighter:storage/blobs@0.1.1", "u64");
        assert!(failure(&registry(""), &newer).contains("does not export lighter:storage/blobs@0.2.0"));
    }

    #[test]
    fn a_driver_of_another_type_is_refused() {
        let misfit = driver("", "lighter:storage/blobs@0.2.0", "u32");
        assert!(failure(&registry(""), &misfit).contains("lighter:storage/blobs@0.2.0"));
    }

    #[test]
    fn imports_that_no_host_has_are_named() {
        let types = r#"(import "lighter:config/values@0.1.0" (instance))"#;
        let foreign = r#"(import "acme:cache/lru" (instance))"#;
        let message = failure(&registry(types), &driver(foreign, "lighter:storage/blobs@0.2.0", "u64"));
        assert!(message.contains("lighter:config/values@0.1.0, acme:cache/lru"), "{message}");
    }

    #[test]
    fn a_component_without_handler_is_no_registry() {
        let import = format!(r#"(import "lighter:storage/blobs@0.2.0" (instance {STORE}))"#);
        let fits = driver("", "lighter:storage/blobs@0.2.0", "u64");
        assert!(failure(&component(&import), &fits).contains("wasi:http/incoming-handler"));
        assert!(failure(&component(""), &fits).contains("imports nothing from lighter:storage/"));
        assert!(failure(b"\0asm", &fits).contains("cannot be composed"));
    }
}
