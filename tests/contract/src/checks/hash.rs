//! The hash, which is no matter of a driver: but a component hashes with SIMD, and natively that code does not exist.
//! So this is where it has a test of its own, in a component that is compiled as the registry is.

use super::{Check, Party, bytes};
use lighter_hash::{Algorithm, Hasher};
use lighter_storage::Storage;

pub(super) fn checks<S: Storage>() -> Vec<Check<S>> {
    vec![Check { name: "sha-256-is-sha-256", parties: 1, run: sha_256_is_sha_256 }]
}

/// The SHA-256 of [`bytes`] of a length, by Python's `hashlib`. Padding has another form at 56 and 120 bytes, and a block
/// is full at 64 and 128.
const DIGESTS: [(usize, &str); 13] = [
    (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    (3, "ae4b3280e56e2faf83f414a6e3dabe9d5fbe18976544c05fed121accb85b53fc"),
    (55, "463eb28e72f82e0a96c0a4cc53690c571281131f672aa229e0d45ae59b598b59"),
    (56, "da2ae4d6b36748f2a318f23e7ab1dfdf45acdc9d049bd80e59de82a60895f562"),
    (63, "29af2686fd53374a36b0846694cc342177e428d1647515f078784d69cdb9e488"),
    (64, "fdeab9acf3710362bd2658cdc9a29e8f9c757fcf9811603a8c447cd1d9151108"),
    (65, "4bfd2c8b6f1eec7a2afeb48b934ee4b2694182027e6d0fc075074f2fabb31781"),
    (119, "da18797ed7c3a777f0847f429724a2d8cd5138e6ed2895c3fa1a6d39d18f7ec6"),
    (120, "f52b23db1fbb6ded89ef42a23ce0c8922c45f25c50b568a93bf1c075420bbb7c"),
    (127, "92ca0fa6651ee2f97b884b7246a562fa71250fedefe5ebf270d31c546bfea976"),
    (128, "471fb943aa23c511f6f72f8d1652d9c880cfa392ad80503120547703e56a2be5"),
    (1 << 20, "87f8143519166a35fa92c895c8462a9ec2af6e595b66116914f48d935f599f4f"),
];

fn sha_256_is_sha_256<S: Storage>(_: &Party<S>) {
    for (length, hex) in DIGESTS {
        let content = bytes(length);
        let digest = format!("sha256:{hex}");
        let mut whole = Hasher::new(Algorithm::Sha256);
        whole.update(&content);
        assert_eq!(whole.finish().to_string(), digest, "{length} bytes at once");
        // In two parts: at each byte, or around a block's end and in the middle.
        for cut in (0..=length.min(130)).chain([length / 2, length / 2 + 1].map(|cut| cut.min(length))) {
            let (first, rest) = content.split_at(cut);
            let mut hasher = Hasher::new(Algorithm::Sha256);
            hasher.update(first);
            let state = hasher.to_state();
            hasher.update(rest);
            assert_eq!(hasher.finish().to_string(), digest, "{length} bytes, cut at {cut}");
            if length < 1 << 20 {
                let mut hasher = Hasher::from_state(Algorithm::Sha256, &state, cut as u64).unwrap();
                hasher.update(rest);
                assert_eq!(hasher.finish().to_string(), digest, "{length} bytes, taken up again at {cut}");
            }
        }
    }
}
