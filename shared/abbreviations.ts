/** Abbreviations that a period follows and that end no sentence: of the languages that engines write periods in most. */

const list = (words: string): ReadonlySet<string> => new Set(words.split(' '))

/** More of the sentence always follows: titles before names, references, Latin. */
export const BEFORE_MORE = list(
  'mr mrs ms mx messrs dr prof rev hon st mt ft sgt capt cpt lt col gen gov sen rep pres supt ' +
    'vs approx cf viz al est ca cca bzw evtl ggf inkl exkl zzgl vgl sog geb gest bspw hr fr hl ' +
    'mme mlle mgr sr sra srta srs sres dra dras prof profa dña ud uds sig dott avv ing dhr mevr mw bijv ' +
    'św ul tzv tzn resp např mj',
)

/** More follows where a number comes next: `No. 5`, `Jan. 3`, `Fig. 2`. */
export const BEFORE_NUMBERS = list(
  'no nos nr num núm vol p pp s fig figs abb tab art abs ch chap kap cap sec sect par pt ' +
    'jan feb mar apr jun jul aug sep sept oct okt nov dec dez',
)

/** Languages that write an ordinal number with a period: `am 3. Mai`. */
export const ORDINALS = list('de da nb nn no fo is fi et lv lt cs sk pl sl hr sr bs hu tr az')

/** Words that begin a sentence more often than they follow an abbreviation: `in the U.S. The`. */
export const STARTERS = list(
  'the a an this that these those there it he she we they you i and but so then now when if what who how why in on at ' +
    'for as after before because also however well yes no our my his her its their',
)
