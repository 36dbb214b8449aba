use std::{borrow::Cow, fmt, str, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A currency code: 3 to 8 uppercase ASCII letters or digits, usually from ISO 4217 (`USD`).
///
/// Orders may use codes that ISO 4217 does not list, such as points or `USDT`. Each code is counted separately. A
/// setting that applies to orders without a currency must be a listed code: parse it with [`iso_4217`](Self::iso_4217).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 8]);

/// An error returned for text that is not a currency code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a currency code; expected 3 to 8 ASCII letters or digits, such as USD")]
pub struct InvalidCurrency;

/// An error returned for text that is not an ISO 4217 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 4217 currency code; expected three letters, such as USD or EUR")]
pub struct UnlistedCurrency;

/// ISO 4217, list one: active currencies and funds.
const IN_USE: &str = "\
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF \
    CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF \
    IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT \
    MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD \
    SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS \
    VED VES VND VUV WST XAD XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD XPF XPT XSU XTS XUA XXX YER ZAR ZMW ZWG";
/// ISO 4217, list three, from 1990 on: historical orders use these currencies.
const WITHDRAWN: &str = "\
    ADP ANG AON AOR ATS AZM BEF BGL BGN BYB BYR CSD CSK CUC CYP DEM ECS EEK ESP FIM FRF GHC GRD GWP HRD HRK IEP ITL LTL LUF LVL \
    MGF MRO MTL MXP MZM NLG PLZ PTE ROL RUR SDD SDP SIT SKK SLL SRG STD TJR TMM TPE TRL UAK USS UYP VEB VEF XEU XFU YUM ZMK ZRN \
    ZRZ ZWD ZWL ZWN ZWR";

impl Currency {
    /// United States dollar.
    pub const USD: Self = Self(*b"USD\0\0\0\0\0");

    /// Parses a code that ISO 4217 lists, in either case. Codes withdrawn since 1990 are accepted.
    pub fn iso_4217(text: &str) -> Result<Self, UnlistedCurrency> {
        let mut listed = IN_USE.split(' ').chain(WITHDRAWN.split(' '));
        let code = listed.find(|code| code.eq_ignore_ascii_case(text)).ok_or(UnlistedCurrency)?;
        code.parse().map_err(|InvalidCurrency| UnlistedCurrency)
    }

    /// Returns the number of decimals by ISO 4217: none for `JPY`, three for `KWD`, and two for a currency that it does
    /// not list.
    pub fn minor_digits(self) -> usize {
        match self.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
            | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            "CLF" | "UYW" => 4,
            _ => 2,
        }
    }

    /// Returns the code.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        str::from_utf8(&self.0[..len]).expect("a currency code is ASCII")
    }
}

impl AsRef<str> for Currency {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Currency({})", self.as_str())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Parses a code in either case and converts it to uppercase.
impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = (3..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !well_formed {
            return Err(InvalidCurrency);
        }
        let mut code = [0; 8];
        code[..text.len()].copy_from_slice(text.as_bytes());
        code.make_ascii_uppercase();
        Ok(Self(code))
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
