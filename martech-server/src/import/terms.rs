//! The names of options in messages.

/// How messages name an option.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Terms {
    /// As on the command line: `--time-format`.
    #[default]
    Flags,
    /// As in the HTTP API: `timeFormat`.
    Fields,
}

/// An option that messages name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    Columns,
    Currency,
    Decimal,
    Delimiter,
    Encoding,
    Format,
    Map,
    OnlyMapped,
    PadRows,
    Set,
    Thousands,
    TimeFormat,
}

impl Terms {
    /// Returns the name of an option in these terms.
    pub(crate) const fn name(self, flag: Flag) -> &'static str {
        let (flag, field) = match flag {
            Flag::Columns => ("--columns", "columns"),
            Flag::Currency => ("--currency", "currency"),
            Flag::Decimal => ("--decimal", "decimal"),
            Flag::Delimiter => ("--delimiter", "delimiter"),
            Flag::Encoding => ("--encoding", "encoding"),
            Flag::Format => ("--format", "format"),
            Flag::Map => ("--map", "map"),
            Flag::OnlyMapped => ("--only-mapped", "onlyMapped"),
            Flag::PadRows => ("--pad-rows", "padRows"),
            Flag::Set => ("--set", "set"),
            Flag::Thousands => ("--thousands", "thousands"),
            Flag::TimeFormat => ("--time-format", "timeFormat"),
        };
        match self {
            Self::Flags => flag,
            Self::Fields => field,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::*;
    use crate::commands::import::ImportArgs;

    #[test]
    fn names_existing_options() {
        let command = ImportArgs::augment_args(clap::Command::new("import"));
        let flags: Vec<_> = command.get_arguments().filter_map(|argument| argument.get_long()).collect();
        for flag in [
            Flag::Columns,
            Flag::Currency,
            Flag::Decimal,
            Flag::Delimiter,
            Flag::Encoding,
            Flag::Format,
            Flag::Map,
            Flag::OnlyMapped,
            Flag::PadRows,
            Flag::Set,
            Flag::Thousands,
            Flag::TimeFormat,
        ] {
            let (option, field) = (Terms::Flags.name(flag), Terms::Fields.name(flag));
            assert!(flags.contains(&&option[2..]), "{option}");
            assert_eq!(field.to_lowercase(), option.replace('-', ""));
        }
    }
}
