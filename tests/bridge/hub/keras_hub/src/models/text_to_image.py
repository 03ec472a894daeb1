"""How KerasHub's task generates pictures: all arguments are arrays, or None."""

from __future__ import annotations

from typing import Any

import keras


class TextToImage(keras.Model):
    generate_function: Any = None

    def generate_step(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def make_generate_function(self) -> Any:
        if self.generate_function is None:
            self.generate_function = self.generate_step
        return self.generate_function

    def generate(self, latents: Any, num_steps: int, guidance_scale: float | None = None) -> Any:
        steps = keras.ops.convert_to_tensor(num_steps, "int32")
        return self.make_generate_function()(latents, steps, guidance_scale)
