//! Powers modulo a large number, for RSA.
//!
//! With `crypto-bigint` in its place the component would have 20 KB more. The numbers are public, those
//! of a key and a signature, so that nothing here has to take the same time for all of them.

use std::cmp::Ordering;

/// An odd number. Numbers are least significant digit first, and all of the length of this one.
pub(super) struct Modulus {
    digits: Vec<u32>,
    /// How many bytes it has.
    length: usize,
    /// What the lowest digit has to be multiplied by for -1.
    inverse: u32,
}

impl Modulus {
    /// Takes a number, big-endian. Returns `None` for an even one.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let digits = digits(bytes);
        let lowest = *digits.first().filter(|digit| **digit % 2 == 1)?;
        // Newton: each step doubles the bits that are right, from the first three.
        let inverse = (0..4).fold(lowest, |inverse: u32, _| {
            inverse.wrapping_mul(2u32.wrapping_sub(lowest.wrapping_mul(inverse)))
        });
        Some(Self { digits, length: bytes.len(), inverse: inverse.wrapping_neg() })
    }

    /// Raises a number to a power that is not zero. The number is big-endian and as long as the modulus.
    /// Returns `None` if it has another length or is not less than the modulus.
    pub(super) fn power(&self, base: &[u8], exponent: u32) -> Option<Vec<u8>> {
        let (length, base) = (base.len(), digits(base));
        if length != self.length || !is_less(&base, &self.digits) {
            return None;
        }
        let mut one = vec![0; base.len()];
        *one.first_mut()? = 1;
        let base = self.shifted(base);
        let mut power = base.clone();
        for bit in (0..exponent.checked_ilog2()?).rev() {
            power = self.product(&power, &power);
            if exponent >> bit & 1 == 1 {
                power = self.product(&power, &base);
            }
        }
        let power = self.product(&power, &one);
        let bytes: Vec<u8> = power.iter().rev().flat_map(|digit| digit.to_be_bytes()).collect();
        bytes.get(bytes.len().checked_sub(length)?..).map(<[u8]>::to_vec)
    }

    /// Multiplies a number by 2 to the length of the modulus in bits (Montgomery's form).
    fn shifted(&self, mut number: Vec<u32>) -> Vec<u32> {
        number.push(0);
        for _ in 0..self.digits.len() * 32 {
            let mut carry = 0;
            for digit in &mut number {
                (*digit, carry) = (*digit << 1 | carry, *digit >> 31);
            }
            self.reduce(&mut number);
        }
        number.pop();
        number
    }

    /// Multiplies two numbers and divides by 2 to the length of the modulus in bits (Montgomery's product).
    fn product(&self, one: &[u32], other: &[u32]) -> Vec<u32> {
        let mut sum = vec![0; self.digits.len() + 2];
        for digit in other {
            add_product(&mut sum, one, *digit);
            let lowest = sum.first().copied().unwrap_or_default();
            add_product(&mut sum, &self.digits, lowest.wrapping_mul(self.inverse));
            // The lowest digit is zero now.
            sum.rotate_left(1);
        }
        self.reduce(&mut sum);
        sum.truncate(self.digits.len());
        sum
    }

    /// Subtracts the modulus if that is not greater.
    fn reduce(&self, number: &mut [u32]) {
        if is_less(number, &self.digits) {
            return;
        }
        let mut borrow = 0;
        let mut rest = number.iter_mut();
        for (less, digit) in self.digits.iter().zip(rest.by_ref()) {
            let difference = i64::from(*digit) - i64::from(*less) + borrow;
            (*digit, borrow) = (difference as u32, difference >> 32);
        }
        for digit in rest {
            let difference = i64::from(*digit) + borrow;
            (*digit, borrow) = (difference as u32, difference >> 32);
        }
    }
}

/// Adds a number times a digit to a sum that has room for it.
fn add_product(sum: &mut [u32], number: &[u32], factor: u32) {
    let mut carry = 0;
    let mut rest = sum.iter_mut();
    for (more, digit) in number.iter().zip(rest.by_ref()) {
        carry += u64::from(*digit) + u64::from(*more) * u64::from(factor);
        (*digit, carry) = (carry as u32, carry >> 32);
    }
    for digit in rest {
        carry += u64::from(*digit);
        (*digit, carry) = (carry as u32, carry >> 32);
    }
}

/// Whether a number, which may have further digits, is less than another.
fn is_less(one: &[u32], other: &[u32]) -> bool {
    let (low, high) = one.split_at(other.len().min(one.len()));
    high.iter().all(|digit| *digit == 0) && low.iter().rev().cmp(other.iter().rev()) == Ordering::Less
}

fn digits(bytes: &[u8]) -> Vec<u32> {
    bytes.rchunks(4).map(|digit| digit.iter().fold(0, |digit, byte| digit << 8 | u32::from(*byte))).collect()
}

#[cfg(test)]
mod tests {
    use p256::elliptic_curve::bigint::modular::{FixedMontyForm, FixedMontyParams};
    use p256::elliptic_curve::bigint::{Odd, U64, U2048};
    use proptest::prelude::*;

    use super::*;

    /// What another implementation says.
    fn expected(modulus: &[u8], base: &[u8], exponent: u32) -> Vec<u8> {
        let [modulus, base] = [modulus, base].map(U2048::from_be_slice);
        let parameters = FixedMontyParams::new(Odd::new(modulus).unwrap());
        let power = FixedMontyForm::new(&base, &parameters).pow(&U64::from_u32(exponent));
        power.retrieve().to_be_bytes().as_ref().to_vec()
    }

    fn power(modulus: &[u8], base: &[u8], exponent: u32) -> Option<Vec<u8>> {
        Modulus::new(modulus)?.power(base, exponent)
    }

    #[test]
    fn small_powers_are_known() {
        assert_eq!(power(&[7], &[3], 0), None);
        assert_eq!(power(&[7], &[3], 1), Some(vec![3]));
        assert_eq!(power(&[7], &[3], 5), Some(vec![5]));
        assert_eq!(power(&[1, 0, 0, 0, 1], &[0, 0, 1, 0, 0], 2), Some(vec![1, 0, 0, 0, 0]));
        assert_eq!(power(&[1, 0, 0, 0, 1], &[0, 0, 1, 0, 0], 4), Some(vec![0, 0, 0, 0, 1]));
        assert_eq!(power(&[1], &[0], 3), Some(vec![0]));
    }

    #[test]
    fn numbers_are_less_than_an_odd_modulus() {
        assert_eq!(power(&[8], &[3], 3), None);
        assert_eq!(power(&[], &[], 3), None);
        assert_eq!(power(&[7], &[7], 3), None);
        assert_eq!(power(&[7], &[8], 3), None);
        assert_eq!(power(&[7], &[0, 3], 3), None);
        assert_eq!(power(&[1, 1], &[3], 3), None);
    }

    #[test]
    fn digits_carry_to_the_end() {
        let ones = [0xff; 256];
        let mut less = ones;
        less[255] -= 1;
        // One less than the modulus is minus one.
        assert_eq!(power(&ones, &less, 65_537), Some(less.to_vec()));
        for exponent in [2, 3, 65_537, u32::MAX] {
            let mut modulus = [0; 256];
            (modulus[0], modulus[255]) = (0x80, 1);
            for base in [[0x7f; 256], less.map(|byte| byte >> 1), [0; 256]] {
                assert_eq!(power(&modulus, &base, exponent), Some(expected(&modulus, &base, exponent)));
                assert_eq!(power(&ones, &base, exponent), Some(expected(&ones, &base, exponent)));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn another_implementation_says_the_same(
            mut modulus in prop::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(0xff)], 256),
            mut base in prop::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(0xff)], 256),
            exponent in prop_oneof![1u32.., Just(3), Just(65_537)],
        ) {
            modulus[0] |= 0x80;
            modulus[255] |= 1;
            base[0] &= 0x7f;
            prop_assert_eq!(power(&modulus, &base, exponent), Some(expected(&modulus, &base, exponent)));
        }

        #[test]
        fn any_length_will_do(modulus: Vec<u8>, base: Vec<u8>, exponent: u32) {
            let _ = power(&modulus, &base, exponent);
        }
    }
}
