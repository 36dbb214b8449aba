#![cfg_attr(fuzzing, no_main)]

martech_fuzz::target!(spool);
