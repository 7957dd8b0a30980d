-- SPDX-License-Identifier: MIT
-- The catalogue of a school: an example, all invented. "palabras" is what a
-- course is found by: small letters without accents.

CREATE TABLE cursos (
	codigo VARCHAR(12) PRIMARY KEY,
	nombre VARCHAR(80) NOT NULL,
	palabras VARCHAR(200) NOT NULL,
	descripcion VARCHAR(600) NOT NULL,
	modalidad VARCHAR(12) NOT NULL,
	lugar VARCHAR(60),
	horario VARCHAR(80) NOT NULL,
	inicio DATE,
	horas INTEGER NOT NULL,
	precio NUMERIC(12, 2) NOT NULL,
	cupos INTEGER NOT NULL
);

INSERT INTO cursos (codigo, nombre, palabras, descripcion, modalidad, lugar,
	horario, inicio, horas, precio, cupos) VALUES
	('ING1', 'Inglés para empezar', 'ingles idioma idiomas basico empezar',
	 'Conversación desde el primer día, para quien nunca lo ha estudiado',
	 'presencial', 'sede Centro', 'lunes y miércoles de 6 a 8 de la noche',
	 '2027-01-18', 48, 420000, 6),
	('ING2', 'Inglés intermedio', 'ingles idioma idiomas intermedio',
	 'Para quien ya se defiende y quiere hablar con soltura',
	 'virtual', NULL, 'martes y jueves de 7 a 9 de la noche',
	 '2027-01-19', 48, 380000, 12),
	('ING3', 'Inglés de negocios', 'ingles idioma idiomas negocios empresa',
	 'Reuniones, correos y presentaciones',
	 'virtual', NULL, 'sábados de 8 a 12 de la mañana',
	 NULL, 40, 450000, 0),
	('FOT1', 'Fotografía digital', 'fotografia foto fotos camara digital',
	 'La cámara, la luz y la composición, con tres salidas de campo',
	 'presencial', 'sede Norte', 'sábados de 9 a 12 de la mañana',
	 '2027-02-06', 36, 390000, 1),
	('CON1', 'Contabilidad básica', 'contabilidad cuentas impuestos negocio',
	 'Ingresos, gastos, impuestos y libros de un negocio pequeño',
	 'virtual', NULL, 'lunes y jueves de 6 a 8 de la noche',
	 '2027-01-25', 40, 350000, 15),
	('EXC1', 'Excel desde cero', 'excel hojas de calculo computador oficina',
	 'Tablas, fórmulas y gráficas, paso a paso',
	 'presencial', 'sede Centro', 'martes y jueves de 2 a 4 de la tarde',
	 '2027-01-12', 30, 280000, 9),
	('COC1', 'Cocina colombiana', 'cocina colombiana comida recetas',
	 'Quince recetas de las regiones, con lo que se cocina en clase',
	 'presencial', 'sede Norte', 'viernes de 3 a 6 de la tarde',
	 '2027-02-05', 30, 520000, 4);
