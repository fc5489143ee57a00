import { replay } from './replay.mjs'

// whisperx 3.8.6, with the options of its source.
replay({
  engine: 'whisperx',
  program: 'whisperx',
  version: '3.8.6',
  options:
    '--model --model_cache_only --model_dir --device --device_index --batch_size --compute_type --output_dir ' +
    '--output_format --verbose --log-level --task --language --align_model --interpolate_method --vad_method ' +
    '--vad_onset --vad_offset --chunk_size --min_speakers --max_speakers --diarize_model --temperature --best_of ' +
    '--beam_size --patience --length_penalty --suppress_tokens --initial_prompt --hotwords ' +
    '--condition_on_previous_text --fp16 --temperature_increment_on_fallback --compression_ratio_threshold ' +
    '--logprob_threshold --no_speech_threshold --max_line_width --max_line_count --highlight_words ' +
    '--segment_resolution --threads --hf_token --print_progress',
  flags:
    '--no_align --return_char_alignments --diarize --speaker_embeddings --suppress_numerals --version',
  line: 'Progress: 25.00%...',
  fits: (options) => options['--batch_size'] === '1' && options['--compute_type'] === 'int8',
})
