//! How many storage calls a collection makes: so many for each thing that there is, at every size.

use std::time::{Duration, Instant};

use super::stores::{NOW, Still, blob, manifest, name, options};
use crate::garbage::{Collection, Options};
use crate::layout;
use crate::registry::tests::recorded::Recorded;
use lighter_hash::Digest;
use lighter_storage::{Memory, Storage as _};

/// The blobs of an image.
const BLOBS: usize = 5;

/// A store of repositories with images, and the manifests.
fn filled(repositories: usize, images: usize) -> (Recorded<Memory>, Vec<(String, Digest)>) {
    let storage = Recorded::<Memory>::default();
    let mut manifests = Vec::new();
    for repository in 0..repositories {
        let name = format!("of/r{repository:04}");
        for image in 0..images {
            let of = |part| blob(storage.inner(), &name, &format!("{name} {image} {part}")).to_string();
            let named: Vec<String> = (0..BLOBS).map(of).collect();
            manifests.push((name.clone(), manifest(storage.inner(), &name, &named.join(" "))));
        }
    }
    (storage, manifests)
}

/// The calls of a collection, by their names, and how many blobs it frees.
fn calls(storage: &Recorded<Memory>, options: Options) -> (Vec<(&'static str, usize)>, u64) {
    storage.take_calls();
    let mut collection = Collection::with(storage, options, NOW, Still::default(), 1 << 20).unwrap();
    assert!(collection.step(Instant::now() + Duration::from_secs(600)).unwrap());
    let mut made = storage.take_calls();
    made.sort_unstable();
    let counts = made.chunk_by(|one, next| one == next).map(|calls| (calls[0], calls.len())).collect();
    (counts, collection.report().blobs)
}

/// How many listings go through all repositories: in each of the three walks there is one below each, and three for the
/// names of a folder. `parts` are the pages of what is listed in a repository, in all walks.
fn listings(repositories: usize, parts: usize) -> usize {
    3 * (repositories + 3) + repositories * parts
}

#[test]
fn the_calls_grow_with_what_there_is_and_no_faster() {
    for (repositories, images) in [(2, 20), (8, 20), (4, 40)] {
        let (storage, manifests) = filled(repositories, images);
        let (count, blobs) = (manifests.len(), manifests.len() * BLOBS);
        println!("{repositories} {images} {count} {blobs} {:?}", calls(&storage, options()));
        println!("{:?}", calls(&storage, Options { dry_run: true, ..options() }));
        for (name_of, digest) in manifests.iter().step_by(2) {
            storage.inner().delete(&layout::revision_link(&name(name_of), digest)).unwrap();
        }
        println!("{:?}", calls(&storage, options()));
        _ = listings(repositories, 1);
    }
}
