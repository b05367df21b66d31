//! What a token of the Penn Treebank is, as Stanford's PTBTokenizer 3.4.1 has it: each kind with its pattern, what must follow it, and how it
//! is written.
//!
//! Of all kinds that match at a place, the one that reaches furthest, with what must follow it, is taken; of equals, the one that stands first
//! here. The patterns are those of the `regex` crate. `{name}` stands for one of [`PARTS`].

/// Where the token ends within what its pattern matched; the rest must follow it, and is read again.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// All of it is the token.
    Here,
    /// Before the last characters, so many.
    Before(usize),
    /// Before the first white space.
    Space,
    /// Behind the last full stop.
    Stop,
    /// Before the last apostrophe.
    Apostrophe,
    /// Before the letter that stands before the last apostrophe.
    Negation,
}

/// How a token is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// As it stands.
    Plain,
    /// As this.
    As(&'static str),
    /// Without its last letters, so many, which are a token of their own (`can` and `not`).
    Without(usize),
    /// Without soft hyphens.
    Joined,
    /// With `&` for its entity.
    Ampersand,
    /// With straight marks in the manner of TeX; one that could be either opens where true.
    Quotes(bool),
    /// With spaces that do not break it.
    Unbroken,
    /// With round brackets by their names.
    Brackets,
    /// With both.
    UnbrokenBrackets,
    /// An abbreviation that ends a sentence: its full stop is a token, too.
    LastAbbreviation,
    /// The same of an acronym; a single letter loses its full stop.
    LastAcronym,
    /// With cents, pounds and euros as the treebank has them.
    Currency,
    /// Fractions by their digits.
    Fraction,
    /// Three or four hyphens are a dash.
    Dash,
    /// It is none.
    Nothing,
}

/// A kind of token.
pub(super) struct Rule {
    pub(super) pattern: &'static str,
    pub(super) end: End,
    pub(super) form: Form,
}

const fn rule(pattern: &'static str, end: End, form: Form) -> Rule {
    Rule { pattern, end, form }
}

/// Patterns by name; each may use those before it. Code points above U+FFFF are in none: they are dropped.
pub(super) const PARTS: &[(&str, &str)] = &[
    ("space", r"[ \t\u{A0}\u{2000}-\u{200A}\u{3000}]"),
    ("newline", r"(?:\r|\r?\n|[\u{2028}\u{2029}\u{B}\u{C}\u{85}])"),
    ("blank", r"(?:{space}|{newline})"),
    ("low", r"[\u{0}-\u{FFFF}]"),
    ("plain", r"[\p{L}&&{low}]"),
    ("digit", r"[\p{Nd}&&{low}]"),
    ("plain-or-digit", r"[[\p{L}\p{Nd}]&&{low}]"),
    // With soft hyphens, accents that are characters of their own, and the marks of other scripts.
    (
        "letter",
        r"(?:[[\p{L}&&{low}]\u{AD}\u{2C2}-\u{2C5}\u{2D2}-\u{2DF}\u{2E5}-\u{2FF}\u{384}\u{385}\u{3F6}\u{55A}-\u{55F}[\p{M}&&[\u{300}-\u{ECD}]]]|&[aeiouAEIOU](?i:acute|grave|uml);)",
    ),
    ("word", r"{letter}(?:{letter}|{digit})*(?:[.!?]{letter}(?:{letter}|{digit})*)*"),
    ("apostrophe", r"(?:['\u{92}\u{2019}]|(?i:&apos;))"),
    ("any-apostrophe", r"(?:{apostrophe}|[`\u{91}\u{2018}\u{201B}])"),
    ("clitic", r"{apostrophe}(?:[msdMSD]|(?i:re|ve|ll))"),
    ("not", r"(?i:n){any-apostrophe}(?i:t)"),
    ("number", r"(?:{digit}+|{digit}*(?:[.:,\u{AD}\u{66B}\u{66C}]{digit}+)+)"),
    ("hyphen", r"[-_\u{58A}\u{2010}\u{2011}]"),
    ("elided", r"(?:[dDoOlL]{any-apostrophe}{plain-or-digit})"),
    ("compound", r"{elided}?{plain-or-digit}+(?:{hyphen}{elided}?{plain-or-digit}+)*"),
    ("initials", r"[A-Z]+(?:(?:[+&]|(?i:&amp;))[A-Z]+)+"),
    ("of-states", r"(?i:(?:Canada|Sino|Korean|EU|Japan|non)-U\.S|U\.S\.-(?:U\.K|U\.S\.S\.R))"),
    ("dotted", r"(?:[A-Za-z](?:\.[A-Za-z])+|{of-states})"),
    ("acronym", r"(?:[A-Za-z](?:\.[A-Za-z])*|{of-states})"),
    ("hyphened", r"[A-Za-z0-9][A-Za-z0-9.,\u{AD}]*(?:-(?:[A-Za-z0-9\u{AD}]+|{dotted}\.))+"),
    (
        "tag",
        r#"<(?:[!?][A-Za-z\-][^>\r\n]*|[A-Za-z][A-Za-z0-9_:.\-]*(?: +(?:[A-Za-z][A-Za-z0-9_:.\-]*|[A-Za-z][A-Za-z0-9_:.\-]* *= *(?:'[^']*'|"[^"]*")))* */?|/[A-Za-z][A-Za-z0-9_:.\-]*) *>"#,
    ),
    // Abbreviations before which sentences go on, and behind which they end where an upper-case letter follows.
    ("months", r"(?i:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)"),
    ("days", r"(?i:Mon|Tues?|Wed|Thu|Thurs|Fri)"),
    (
        "states",
        r"(?:(?i:Ala|Ariz|Calif|Colo|Conn|Ct|Dak|Fla|Ga|Ind|Kans?|Ky|Md|Mich|Minn|Mo|Mont|Neb|Nev|Okla|Penn|Tenn|Va|Vt|Wisc?|Wyo)|A(?i:z|rk)|D(?i:el)|I(?i:ll)|L(?i:a)|M(?i:ass|iss)|O(?i:re)|P(?i:a)|T(?i:ex)|W(?i:ash))",
    ),
    ("firms", r"(?i:Inc|Cos?|Corp|Pp?t[ye]s?|Ltd|Plc|Rt|Bancorp|Bhd|Assn|Univ|Intl|Sys)"),
    ("endings", r"(?i:tel|est|ext|sq|Jr|Sr|Bros|(?:Ed|Ph)\.D|Blvd|Rd|Esq|etc|al|seq|Bldg)"),
    ("last-or-not", r"(?:{months}|{days}|{states}|{firms}|{endings})\."),
    // Those that more of the sentence follows.
    (
        "titles",
        r"(?:(?i:Mr|Mrs|Ms|Drs?|Profs?|Sens?|Reps?|Attys?|Lt|Col|Gen|Messrs|Govs?|Adm|Rev|Maj|Sgt|Cpl|Pvt|Capt|Ste?|Ave|Pres|Lieut|Hon|Brig|Co?mdr|Pfc|Spc|Supts?|Det|Mt|Ft|Adj|Adv|Asst|Assoc|Ens|Insp|Mlle|Mme|Msgr|Sfc)|M(?i:iss))",
    ),
    ("never-last", r"(?:{titles}|(?i:vs|Alex|Wm|Jos|Cie|a\.k\.a|cf|TREAS|Ph|Invt|Elec|Natl|M[ft]g|Dept)|{acronym})"),
    // How a sentence begins behind an acronym that ended one.
    (
        "opening",
        r"(?:A(?i:bout|ccording|dditionally|fter|n|s|t)?|B(?i:ut)|E(?i:arlier)|H(?i:e|er|ere|owever)|I(?i:f|n|t)|L(?i:ast)|M(?i:any|ore|r\.|s\.)|N(?i:ow)|O(?i:nce|ne|ther|ur)|S(?i:he|ince|o|ome|uch)|T(?i:hat|he|heir|hen|here|hese|hey|his)|W(?i:e|hen|hile|hat)|Y(?i:et|ou)|{tag})",
    ),
    (
        "file",
        r"(?:{letter}|{digit})+(?:\.(?:{letter}|{digit})+)*\.(?i:bat|bmp|c|class|cgi|cpp|dll|docx?|exe|gif|gz|html?|h|jar|java|jpe?g|mov|mp3|pdf|php|pl|png|ppt|ps|py|sql|tar|txt|wav|x|xml|zip)",
    ),
    (
        "phone",
        r"(?:(?:\([0-9]{2,3}\)[ \u{A0}]?|(?:\+\+?)?(?:[0-9]{2,4}[- \u{A0}])?[0-9]{2,4}[- \u{A0}])[0-9]{3,4}[- \u{A0}]?[0-9]{3,5}|(?:(?:\+\+?)?[0-9]{2,4}\.)?[0-9]{2,4}\.[0-9]{3,4}\.[0-9]{3,5})",
    ),
    ("mouth", r"[()DPdpO\\{@|\[\]]"),
    ("face", r"[-^x=~<>']"),
];

/// Words with an apostrophe that are whole.
const WITH_APOSTROPHE: &str = r"{apostrophe}(?i:n){apostrophe}?|[lLdDjJ]{apostrophe}|(?i:Dunkin|somethin){apostrophe}|(?i:ol){apostrophe}|{apostrophe}(?i:em)|[A-HJ-XZn]{any-apostrophe}{plain}{2,}|{apostrophe}[2-9]0(?i:s)|{apostrophe}(?i:till?)|{plain}+[aeiouyAEIOUY]{any-apostrophe}[aeiouA-Z]{plain}*|{apostrophe}(?i:cause)|(?i:cont'd)\.?|(?i:'twas|nor'easter|c'mon|e'er|s'mores|ev'ry|li'l|nat'l)|(?i:O){any-apostrophe}(?i:o)";

/// Every kind, in order of precedence.
pub(super) const RULES: &[Rule] = &[
    rule(r"(?i:c)\+\+|(?i:c|f)\#", End::Here, Form::Plain),
    rule(r"(?i:cannot|'twas)", End::Here, Form::Without(3)),
    rule(r"(?i:'tis|gonna|gotta|lemme|gimme|wanna)", End::Here, Form::Without(2)),
    rule(r"{tag}", End::Here, Form::Unbroken),
    rule(r"(?i:&(?:MD|mdash|ndash);)|[\u{96}\u{97}\u{2013}-\u{2015}]", End::Here, Form::As("--")),
    rule(r"(?i:&amp;)", End::Here, Form::As("&")),
    rule(r"(?i:&(?:HT|TL|UR|LR|QC|QL|QR|odq|cdq|\#[0-9]+);)", End::Here, Form::Plain),
    rule(r"{word}{clitic}", End::Apostrophe, Form::Joined),
    rule(r"[A-Za-z\u{AD}]*[A-MO-Za-mo-z]\u{AD}*{not}", End::Negation, Form::Joined),
    rule(r"{word}", End::Here, Form::Joined),
    rule(WITH_APOSTROPHE, End::Here, Form::Plain),
    rule(r"(?i:y){apostrophe}{plain}", End::Before(1), Form::Plain),
    rule(r#"(?i:https?)://[^ \t\n\f\r"<>|(){}]+[^ \t\n\f\r"<>|.!?(){},\-]"#, End::Here, Form::Plain),
    rule(
        // The range from the comma to the underscore shuts out digits and upper-case letters.
        r#"(?:(?i:www)\.(?:[^ \t\n\f\r"<>|.!?(){},]+\.)+[a-zA-Z]{2,4}|(?:[^ \t\n\f\r"`'<>|.!?(){},-_$]+\.)+(?i:com|net|org|edu))(?:/[^ \t\n\f\r"<>|()]+[^ \t\n\f\r"<>|.!?(){},\-])?"#,
        End::Here,
        Form::Plain,
    ),
    rule(
        r#"(?:(?i:&lt;)|<)?[a-zA-Z0-9][^ \t\n\f\r"<>|()\u{A0}{}]*@(?:[^ \t\n\f\r"<>|(){}.\u{A0}]+\.)*[^ \t\n\f\r"<>|(){}.\u{A0}]+(?:(?i:&gt;)|>)?"#,
        End::Here,
        Form::Plain,
    ),
    rule(r"@[a-zA-Z_][a-zA-Z_0-9]*|\#{letter}+", End::Here, Form::Plain),
    rule(r"(?:{clitic}|{not})[^A-Za-z]", End::Before(1), Form::Quotes(false)),
    rule(r"{digit}{1,2}[-/]{digit}{1,2}[-/]{digit}{2,4}", End::Here, Form::Plain),
    rule(r"[-+]?{number}", End::Here, Form::Joined),
    rule(
        r"[\u{207A}\u{207B}\u{208A}\u{208B}]?(?:[\u{2070}\u{B9}\u{B2}\u{B3}\u{2074}-\u{2079}]+|[\u{2080}-\u{2089}]+)",
        End::Here,
        Form::Plain,
    ),
    rule(r"(?:{digit}{1,4}[- \u{A0}])?{digit}{1,4}(?:\\?/|\u{2044}){digit}{1,4}", End::Here, Form::Unbroken),
    rule(r"[\u{BC}-\u{BE}\u{2153}-\u{215E}]", End::Here, Form::Fraction),
    rule(
        r"(?i:-[RL][RCS]B-|C\.D\.s|pro-|anti-|S(?:&|&amp;)(?:P-500|Ls)|Cap{apostrophe}n|c{apostrophe}est)",
        End::Here,
        Form::Ampersand,
    ),
    rule(r"[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}(?:\\?/[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}){1,2}", End::Here, Form::Plain),
    rule(r"[A-Z]*\$|\#", End::Here, Form::Plain),
    rule(
        r"[\u{A2}-\u{A5}\u{80}\u{20A0}\u{20AC}\u{60B}\u{E3F}\u{20A4}\u{FFE0}\u{FFE1}\u{FFE5}\u{FFE6}]",
        End::Here,
        Form::Currency,
    ),
    rule(r"{acronym}\.{blank}+{opening}{blank}", End::Space, Form::LastAcronym),
    rule(r"(?i:ca|figs?|prop|nos?|art|bldg|pp|op)\.{blank}?{digit}", End::Stop, Form::Plain),
    rule(r"(?i:pt[ey]|co)\.{space}(?i:ltd|lim)", End::Space, Form::Plain),
    rule(r"{last-or-not}{blank}(?:{blank}|[\p{Lu}&&{low}]|{tag})", End::Space, Form::LastAbbreviation),
    rule(r"(?s:{last-or-not}..)", End::Before(2), Form::Plain),
    rule(r"{last-or-not}", End::Here, Form::LastAbbreviation),
    rule(r"{never-last}\.", End::Here, Form::Plain),
    rule(r"{never-last}{space}|{acronym}{blank}|{apostrophe}[0-9][0-9]{blank}", End::Before(1), Form::Plain),
    rule(r"{file}(?:{blank}|[.?!,])", End::Before(1), Form::Plain),
    rule(r"{word}\.[,;:\u{3001}]", End::Before(1), Form::Joined),
    rule(r"{phone}", End::Here, Form::UnbrokenBrackets),
    rule(r#"(?:"|(?i:&quot;))[A-Za-z0-9$]"#, End::Before(1), Form::Quotes(true)),
    rule(r#""|(?i:&quot;)"#, End::Here, Form::Quotes(false)),
    rule(r"\u{7F}", End::Here, Form::Nothing),
    rule(r"<|(?i:&lt;)", End::Here, Form::As("<")),
    rule(r">|(?i:&gt;)", End::Here, Form::As(">")),
    rule(r"[<>]?[:;=][-o*']?{mouth}[^A-Za-z0-9]", End::Before(1), Form::Brackets),
    rule(
        r"[\^xX=~<>]\.\[\^(?i:x)=~<>\]|{face}_{face}|\({face}[_.]?{face}\)|\([\^x=~<>']-[\^x=~<>'`]\)",
        End::Here,
        Form::Brackets,
    ),
    rule(r"\{", End::Here, Form::As("-LCB-")),
    rule(r"\}", End::Here, Form::As("-RCB-")),
    rule(r"\[", End::Here, Form::As("-LSB-")),
    rule(r"\]", End::Here, Form::As("-RSB-")),
    rule(r"\(", End::Here, Form::As("-LRB-")),
    rule(r"\)", End::Here, Form::As("-RRB-")),
    rule(r"-+", End::Here, Form::Dash),
    rule(r"\.{3,5}|(?:\.[ \u{A0}]){2,4}\.|[\u{85}\u{2026}]", End::Here, Form::As("...")),
    rule(r"@+|\#+|_+|\*+|(?:\\\*){1,3}|[,;:\u{3001}]|[?!]+|=|/", End::Here, Form::Plain),
    rule(r"[.\u{A1}\u{BF}\u{37E}\u{589}\u{61F}\u{6D4}\u{700}-\u{702}\u{7FA}\u{3002}]", End::Here, Form::Plain),
    rule(r"{hyphened}\.[,;:\u{3001}]", End::Before(1), Form::Joined),
    rule(r"{hyphened}", End::Here, Form::Joined),
    rule(r"{compound}\.[,;:\u{3001}]", End::Before(1), Form::Plain),
    rule(r"{compound}", End::Here, Form::Plain),
    rule(r"{initials}\.[,;:\u{3001}]", End::Before(1), Form::Ampersand),
    rule(r"{initials}", End::Here, Form::Ampersand),
    rule(r"'[A-Za-z][^ \t\n\r\u{A0}]", End::Before(2), Form::Quotes(true)),
    rule(r"{clitic}|{not}", End::Here, Form::Quotes(false)),
    rule(
        r"{apostrophe}|''|[`\u{2018}-\u{201F}\u{91}-\u{94}\u{2039}\u{203A}\u{AB}\u{BB}]{1,2}",
        End::Here,
        Form::Quotes(false),
    ),
    rule(r"<<|>>", End::Here, Form::Plain),
    rule(
        r"[+%&~^|\\\u{A6}-\u{A9}\u{AC}\u{AE}\u{AF}\u{B0}-\u{B4}\u{B5}-\u{BA}\u{D7}\u{F7}\u{387}\u{5BE}\u{5C0}\u{5C3}\u{5C6}\u{5F3}\u{5F4}\u{600}-\u{603}\u{606}-\u{60A}\u{60C}\u{614}\u{61B}\u{61E}\u{66A}\u{66D}\u{703}-\u{70D}\u{7F6}-\u{7F8}\u{964}\u{965}\u{E4F}\u{1FBD}\u{2016}\u{2017}\u{2020}-\u{2023}\u{2030}-\u{2038}\u{203B}\u{203E}-\u{2042}\u{2044}\u{207A}-\u{207F}\u{208A}-\u{208E}\u{2100}-\u{214F}\u{2190}-\u{2BFF}\u{3012}\u{30FB}\u{FF01}-\u{FF0F}\u{FF1A}-\u{FF20}\u{FF3B}-\u{FF40}\u{FF5B}-\u{FF65}]",
        End::Here,
        Form::Plain,
    ),
    rule(r"\u{0}|{space}+|[\u{200B}\u{200E}\u{200F}\u{FEFF}]|{newline}|(?i:&nbsp;)", End::Here, Form::Nothing),
];
