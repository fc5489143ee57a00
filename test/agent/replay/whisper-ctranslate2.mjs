import { replay } from './replay.mjs'

// whisper-ctranslate2 0.5.8, with the options of its --help.
replay({
  engine: 'faster-whisper',
  program: 'whisper-ctranslate2',
  version: '0.5.8',
  options:
    '--model --model_directory --model_dir --local_files_only --output_dir --output_format --pretty_json ' +
    '--print_colors --verbose --highlight_words --max_line_width --max_line_count --max_words_per_line --device ' +
    '--threads --device_index --compute_type --task --language --temperature --temperature_increment_on_fallback ' +
    '--prompt_reset_on_temperature --prefix --best_of --beam_size --patience --length_penalty --suppress_blank ' +
    '--suppress_tokens --initial_prompt --condition_on_previous_text --compression_ratio_threshold ' +
    '--logprob_threshold --no_speech_threshold --word_timestamps --prepend_punctuations --append_punctuations ' +
    '--repetition_penalty --no_repeat_ngram_size --hallucination_silence_threshold --hotwords --batched --batch_size ' +
    '--multilingual --vad_filter --vad_threshold --vad_min_speech_duration_ms --vad_max_speech_duration_s ' +
    '--vad_min_silence_duration_ms --hf_token --speaker_name --speaker_num',
  flags: '--version',
  line: '[00:00.000 --> 00:02.000]  And so my fellow Americans,',
  fits: (options) =>
    !('--batched' in options) && ['int8', 'int8_float16'].includes(options['--compute_type']),
})
