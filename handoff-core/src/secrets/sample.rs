//! Made-up secrets of every rule, for tests: put together when they are needed, so that none is in the sources.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::rules::RULES;
use super::shape::Check;

/// Signs in an order that depends on nothing but the seed.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn of(&mut self, alphabet: &[u8], len: usize) -> String {
        let one = |noise: &mut Self| alphabet.get(noise.next() as usize % alphabet.len()).copied();
        (0..len).filter_map(|_| one(self)).map(char::from).collect()
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// A secret that `rule` finds, and where in it the finding is: the rest is what has to stand before.
pub fn sample(rule: &str, seed: u64) -> Option<(String, usize)> {
    const ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const HEX: &[u8] = b"0123456789abcdef";
    let mut noise = Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let found = RULES.iter().find(|known| known.id == rule)?;
    let trigger = found.triggers.get(seed as usize % found.triggers.len())?.replace('|', "");
    let body = match (&found.check, rule) {
        (Check::Token { alphabet, least, .. }, _) => noise.of(&alphabet.signs(), *least),
        (Check::Crc32, _) => {
            let random = noise.of(ALNUM, 30);
            let (mut sum, mut digits) = (crc32fast::hash(random.as_bytes()), Vec::new());
            let order = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
            for _ in 0..6 {
                digits.push(char::from(*order.get(sum as usize % 62)?));
                sum /= 62;
            }
            random + &digits.iter().rev().collect::<String>()
        }
        (_, "aws_secret_access_key") => {
            let body = noise.of(&[ALNUM, b"+/"].concat(), 37) + "aZ7";
            return Some((format!("{trigger} = \"{body}"), trigger.len() + 4));
        }
        (_, "azure_storage_key") => {
            return Some((trigger.clone() + &STANDARD.encode(noise.bytes(64)), trigger.len()));
        }
        (_, "jwt") => {
            let header = URL_SAFE_NO_PAD.encode(match trigger.as_str() {
                "eyJh" => r#"{"alg":"HS256","typ":"JWT"}"#,
                "eyJ0" => r#"{"typ":"JWT","alg":"HS256"}"#,
                _ => r#"{"kid":"1","alg":"HS256"}"#,
            });
            let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{}"}}"#, noise.of(HEX, 12)));
            return Some((format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(noise.bytes(32))), 0));
        }
        (_, "openai_api_key") => {
            return Some((format!("sk-proj-{}{trigger}{}", noise.of(ALNUM, 20), noise.of(ALNUM, 20)), 0));
        }
        (_, "private_key") => {
            let label = trigger.trim_end_matches('-').replace("KEY", "PRIVATE KEY");
            let kind = if trigger.contains("BLOCK") { "PGP " } else { "RSA " };
            let lines: Vec<_> = (0..4).map(|_| noise.of(ALNUM, 64)).collect();
            let lines = lines.join("\n");
            return Some((format!("-----BEGIN {kind}{label}-----\n{lines}\n-----END {kind}{label}-----"), 0));
        }
        (_, "sendgrid_api_key") => format!("{}.{}", noise.of(ALNUM, 22), noise.of(ALNUM, 43)),
        (_, "slack_token") => {
            let numbers = noise.of(b"123456789", 12);
            format!("{}{numbers}-{}", if trigger == "xoxe" { "-" } else { "" }, noise.of(ALNUM, 24))
        }
        (_, "terraform_token") => {
            return Some((noise.of(ALNUM, 14) + &trigger + &noise.of(ALNUM, 67), 0));
        }
        _ => return None,
    };
    Some((trigger + &body, 0))
}
