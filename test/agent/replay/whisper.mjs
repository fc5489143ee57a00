import { replay } from './replay.mjs'

// openai-whisper 20250625, with the options of its source.
replay({
  engine: 'openai-whisper',
  program: 'whisper',
  version: '20250625',
  options:
    '--model --model_dir --device --output_dir --output_format --verbose --task --language --temperature --best_of ' +
    '--beam_size --patience --length_penalty --suppress_tokens --initial_prompt --carry_initial_prompt ' +
    '--condition_on_previous_text --fp16 --temperature_increment_on_fallback --compression_ratio_threshold ' +
    '--logprob_threshold --no_speech_threshold --word_timestamps --prepend_punctuations --append_punctuations ' +
    '--highlight_words --max_line_width --max_line_count --max_words_per_line --threads --clip_timestamps ' +
    '--hallucination_silence_threshold',
  flags: '',
  line: '[00:00.000 --> 00:02.000]  And so, my fellow Americans,',
  fits: (options) => options['--device'] === 'cpu' && options['--fp16'] === 'False',
})
